//! Words of login, people, the audit log and one's own settings. Invariant: see `words`.

words! {
    /// The login page.
    Login {
        title "Вход", "Log in";
        name "Имя", "Name";
        password "Пароль", "Password";
        enter "Войти", "Log in";
        wrong "Имя или пароль не подходят", "Wrong name or password";
        slow "Слишком много попыток. Следующая — через", "Too many attempts. The next one in";
        ended "Сеанс закончился, войдите снова", "The session has ended; log in again";
        nobody "Ещё никого нет. Создайте первого администратора командой:", "Nobody is here yet. Make the first admin by the command:";
    }
}

words! {
    /// Who may come in.
    People {
        title "Пользователи", "People";
        lead "У кого есть доступ к консоли и какие права.", "Who comes into the console, and what they may.";
        name "Имя", "Name";
        role "Роль", "Role";
        made "Создан", "Made";
        state "Состояние", "State";
        open "активен", "may come in";
        closed "доступ закрыт", "locked out";
        add "Добавить пользователя", "Add a person";
        add_do "Добавить", "Add";
        password "Пароль", "Password";
        password_hint "Не короче 12 знаков", "12 characters at least";
        change "Сменить роль", "Change the role";
        lock "Закрыть вход", "Lock out";
        unlock "Открыть вход", "Let in again";
        acts "Действия", "Acts";
        tokens "Ключи API", "API tokens";
        tokens_lead "Для программ: каждому свой ключ с нужными правами.", "For programs: each its own token with the rights it needs.";
        tokens_how "Описание API", "API reference";
        token_for "Для чего", "What it is for";
        scopes "Права", "Scopes";
        read "читать", "read";
        act "выполнять действия", "act";
        manage "управлять", "manage";
        maker "Кто создал", "Made by";
        used "Использован", "Last used";
        never "ни разу", "never";
        until "Действует до", "Valid until";
        token_days "Срок в днях (пусто — бессрочно)", "For how many days; empty: until it is revoked";
        token_add "Создать ключ", "Make a token";
        token_revoke "Отозвать", "Revoke";
        token_revoked "отозван", "revoked";
        token_once "Этот ключ показан один раз. Сохраните его сейчас:", "This token is shown once. Keep it now:";
        no_tokens "Ключей ещё нет", "There are no tokens yet";
    }
}

words! {
    /// What people did.
    Audit {
        title "Действия пользователей", "Audit log";
        lead "Всё, что сделано здесь, через API и командами.", "All that people did here, by the API and by commands.";
        at "Когда", "When";
        who "Кто", "Who";
        door "Откуда", "By which way";
        act "Действие", "Act";
        about "О чём", "About";
        outcome "Итог", "Outcome";
        detail "Подробности", "Details";
        address "Адрес", "Address";
        console "консоль", "console";
        api "через API", "API";
        command "команда", "command";
        none "Никто ещё ничего не делал", "Nobody has done anything yet";
        show "Показать", "Show";
        older "Раньше", "Older";
    }
}

words! {
    /// One's own settings.
    Me {
        title "Настройки", "Settings";
        look "Внешний вид", "Look";
        language "Язык", "Language";
        theme "Тема", "Theme";
        theme_system "как в системе", "as the system";
        theme_light "светлая", "light";
        theme_dark "тёмная", "dark";
        password "Пароль", "Password";
        password_old "Текущий пароль", "Present password";
        password_new "Новый пароль", "New password";
        password_change "Сменить пароль", "Change the password";
        changed "Пароль сменён; другие сеансы закрыты", "The password is changed; other sessions are closed";
        saved "Сохранено", "Saved";
        sessions "Сеансы", "Sessions";
        logout_all "Выйти везде", "Log out everywhere";
    }
}
