//! What stands on every page, and on the pages of errors. Invariant: see `words`.

words! {
    /// Header, footer and what every list has.
    Shell {
        product "leadlink", "leadlink";
        skip "К содержанию", "Skip to content";
        menu "Меню", "Menu";
        sections "Разделы", "Sections";
        overview "Обзор", "Overview";
        leads "Лиды", "Leads";
        deals "Сделки", "Deals";
        messages "Сообщения", "Messages";
        needs "Разбор", "Needs a person";
        flows "Связки", "Flows";
        connections "Подключения", "Connections";
        people "Доступ", "People";
        audit "Действия", "Audit log";
        me "Настройки", "Settings";
        logout "Выйти", "Log out";
        signed "Вы вошли как", "Signed in as";
        find_hint "Телефон, почта, номер, id", "Phone, e-mail, number, id";
        find_label "Поиск по телефону, почте, номеру или id", "Search by phone, e-mail, number or id";
        changed "Страница обновлена", "The page was updated";
        lost "Связь с сервером прервалась, обновление остановлено", "The connection to the server is lost; updates have stopped";
        marketing "маркетинг", "marketing";
        operator "оператор", "operator";
        admin "администратор", "admin";
        nothing "—\u{a0}нет", "none";
        copy "Скопировать", "Copy";
        copied "Скопировано", "Copied";
        back "Назад", "Back";
        cancel "Отмена", "Cancel";
        save "Сохранить", "Save";
        reset "Сбросить", "Reset";
        more "Подробнее", "Details";
        table "Данные таблицей", "Data as a table";
        keys "Клавиши: / — поиск, j и k — по строкам, Enter — открыть", "Keys: / to search, j and k to move, Enter to open";
    }
}

words! {
    /// Pages of errors.
    Trouble {
        title_404 "Здесь ничего нет", "Nothing is here";
        text_404 "Такой страницы нет, или то, о чём она была, уже удалено.", "There is no such page, or what it was about has been deleted.";
        title_403 "Недостаточно прав", "You may not do that";
        text_403 "Вашей роли это действие не разрешено. Попросите администратора.", "Your role does not allow this. Ask an admin.";
        title_409 "Сейчас это невозможно", "That cannot be done now";
        text_409 "Состояние изменилось, пока вы смотрели на страницу. Откройте её снова.", "The state has changed while you were looking at the page. Open it again.";
        title_422 "Проверьте введённое", "That makes no sense";
        text_422 "В запросе есть ошибки:", "The request has mistakes:";
        title_502 "Внешняя система не отвечает", "The far side does not answer";
        text_502 "Попробуйте ещё раз через минуту.", "Try again in a minute.";
        title_405 "Так открыть нельзя", "Not this way";
        text_405 "Этот адрес принимает только отправленную форму. Вернитесь на страницу и нажмите кнопку.", "This address takes a form that was sent. Go back to the page and press its button.";
        title_413 "Слишком большой запрос", "That is too large";
        text_413 "Отправлено больше, чем принимается. Сократите текст и повторите.", "More was sent than is taken. Make it shorter and try again.";
        title_429 "Слишком много запросов", "Too many requests";
        text_429 "Подождите немного и повторите.", "Wait a little and try again.";
        title_503 "Сейчас недоступно", "Not available now";
        text_503 "Повторите через минуту.", "Try again in a minute.";
        title_500 "Внутренняя ошибка", "Something broke";
        text_500 "Ошибка записана в журнал. Принятые данные не потеряны.", "The error is in the log. Nothing that was accepted is lost.";
        home "На главную", "To the overview";
    }
}
