//! Words of the overview, needs, flows and connections. Invariant: see `words`.

words! {
    /// The first page.
    Overview {
        title "Обзор", "Overview";
        fine "Всё работает, вмешательство не требуется", "All works; nobody is needed";
        day "24 часа", "24 hours";
        week "7 дней", "7 days";
        month "4 недели", "4 weeks";
        period "Период", "Period";
        leads "Лиды", "Leads";
        deals "Сделки", "Deals";
        messages "Сообщения", "Messages";
        linked "Связано с лидом", "Linked to a lead";
        p50 "Время до CRM", "Time to the CRM";
        p50_hint "медиана; 99 % — до", "median; 99 % within";
        waiting "Ожидают срока", "Waiting for their time";
        lag "самое старое опаздывает на", "the oldest is late by";
        on_time "всё вовремя", "all on time";
        looked_for "ищем, дошло ли:", "looked for whether it arrived:";
        unrouted "не разобрано:", "not routed yet:";
        leads_chart "Лиды по времени", "Leads over time";
        deals_chart "Сделки по времени", "Deals over time";
        deals_linked "связана с лидом", "linked to a lead";
        deals_unlinked "Лид не найден", "«Лид не найден»";
        messages_in "от людей", "from people";
        messages_out "людям", "to people";
        messages_chart "Сообщения по времени", "Messages over time";
        none "За этот период ничего", "Nothing in this period";
        needs "Требуют внимания", "Needs a person";
        needs_none "Разбирать нечего", "Nothing to settle";
        needs_none_hint "Отказы и неясные исходы появятся здесь сами.", "Refusals and doubts will show up here by themselves.";
        needs_all "Все", "All of them";
        connections "Подключения", "Connections";
        connections_none "Подключений нет", "There are no connections";
        processes "Процессы", "Processes";
        process "Процесс", "Process";
        version "Версия", "Version";
        started "Запущен", "Started";
        seen "На связи", "Last sign of life";
        owns "Обслуживает", "Owns";
        this_one "этот", "this one";
        running "работают", "running";
        stopped "остановлены", "stopped";
        off "выключены", "off";
        flows "Связки", "Flows";
    }
}

words! {
    /// What waits for a person.
    Needs {
        title "Требуют внимания", "Needs a person";
        lead "Отказы, неясные исходы, неразобранное. Остальное продолжает работать.", "Refusals, doubts, and what cannot be read. All else goes on.";
        empty "Разбирать нечего", "Nothing waits";
        empty_hint "Всё, что пришло, решено и сделано.", "All that came in is decided and done.";
        reasons "По причинам", "By reason";
        each "По одному", "One by one";
        kind "Что", "What";
        why "Почему", "Why";
        when "Когда", "When";
        flow "Связка", "Flow";
        act "Действие", "Act";
        count "Сколько", "How many";
        show "Показать", "Show them";
        all "Показать все", "Show all";
        choose_all "Выбрать все на странице", "Choose all on this page";
        chosen "С выбранными:", "With the chosen:";
        all_of_reason "Со всеми по этой причине:", "With all of this reason:";
        word "Комментарий", "A word for the log";
        word_hint "обязательно для «Пропустить» и «Снять с разбора»", "needed to skip and to dismiss";
        job "Задание", "Job";
        unknown "Неизвестно, дошло ли", "Unknown whether it arrived";
        delivery "Не читается", "Cannot be read";
        connection "Подключение", "Connection";
        drift "Изменилось в системе", "Changed over there";
        reload "Перезагрузка", "Reload";
        more "Дальше", "More";
        at_least "не меньше", "at least";
        command "Командой", "By command";
        doubt "Дошло или нет?", "Did it arrive?";
        body "Как пришло", "As it came";
    }
}

words! {
    /// Buttons for what a person does.
    Acts {
        replay "Решить заново", "Decide anew";
        replay_look "Пересмотреть по текущей связке…", "Replay with today's flow…";
        retry "Повторить", "Retry";
        arrived "Дошло", "It arrived";
        again "Послать снова", "Send again";
        skip "Пропустить", "Skip";
        reread "Прочитать снова", "Read again";
        dismiss "Снять с разбора", "Dismiss";
        poll "Опросить сейчас", "Poll now";
        start "Запустить", "Start";
        stop "Остановить", "Stop";
        why "Причина", "Why";
        why_hint "Останется в журнале действий", "Is kept in the audit log";
        id_of "id того, что появилось", "ID of what was made";
        doubt "Ответ на этот шаг потерян. Посмотрите в системе, случилось ли это:", "The answer to this step was lost. Look over there whether it happened:";
        done "Сделано", "Done";
        left "Оставлено как есть", "Left as it is";
        nothing_new "Ничего нового нет", "There is nothing new";
        again_more "Есть ещё: повторите действие", "There is more: repeat it";
        replay_title "Что изменится", "What would change";
        replay_lead "Так текущая связка решила бы при тех же фактах. Ничего ещё не сделано.", "So would today's flow decide on the same facts. Nothing has been done yet.";
        was "Было", "It was";
        now "Стало бы", "It would be";
        place "Где", "Where";
        same "Решение то же самое", "The decision is the same";
        confirm "Решить заново и выполнить", "Decide anew and act";
        reasons "Причины", "Reasons";
        nothing "ничего", "nothing";
    }
}

words! {
    /// Flows.
    Flows {
        title "Связки", "Flows";
        lead "Правила: на какое событие, через сколько, что делать.", "The rules: on which event, after how long, what to do.";
        empty "Связок нет", "There are no flows";
        empty_hint "Положите файлы в папку mappings и выполните leadlink reload.", "Put files into the folder of mappings and run leadlink reload.";
        name "Связка", "Flow";
        state "Состояние", "State";
        listens "Слушает", "Listens to";
        queue "В работе", "At work";
        cases "Примеры", "Cases";
        problems "Ошибки", "Problems";
        waiting "ждут", "waiting";
        stuck "застряли", "stuck";
        deciding "решаются", "deciding";
        source "Исходный текст", "Source";
        stale "Файл на диске изменён. Работает прежний текст, пока не выполнен leadlink reload.", "The file on disk has changed. The former text runs until leadlink reload.";
        delay "Задержка", "Delay";
        settle "Ждёт затишья не дольше", "Settles within";
        max_age "Не обрабатывает старше", "Skips older than";
        roles "Роли", "Roles";
        file "Файл", "File";
        settings "Значения", "Settings";
        overlaid "в файле:", "in the file:";
        decisions "Последние решения", "Latest decisions";
        no_decisions "Решений ещё нет", "No decisions yet";
        switched "Переключил", "Switched by";
        switched_hint "действует, пока не изменится значение в настройках", "holds until the value in the configuration changes";
        try_title "Проверить на последних 100 событиях", "Try on the last 100 events";
        try_lead "Ничего не пишет. Измените текст и посмотрите, какие решения были бы другими.", "Writes nothing. Change the text and see which decisions would differ.";
        try_do "Проверить", "Try it";
        try_text "Текст связки", "Text of the flow";
        trial "Итог проверки", "Result of the trial";
        trial_bad "В тексте есть ошибки, решения не проверялись", "The text has problems; no decisions were weighed";
        trial_cases "Примеры файла не проходят", "Cases of the file fail";
        weighed "Проверено решений", "Decisions weighed";
        same "Такие же", "The same";
        differ "Другие", "Different";
        untold "Неизвестно", "Cannot be told";
        cut "Время вышло: проверены не все.", "Time was up: not all were weighed.";
        no_difference "Ни одно решение не изменилось бы", "No decision would change";
        line "строка", "line";
        mend "Как исправить:", "Mend:";
        back "К связке", "To the flow";
    }
}

words! {
    /// Connections.
    Connections {
        title "Подключения", "Connections";
        lead "Кабинеты внешних систем: как отвечают и что настроено.", "Accounts of far sides: how they answer and what is set.";
        name "Подключение", "Connection";
        state "Состояние", "State";
        answered "Последний ответ", "Last answer";
        never "ещё ни разу", "never yet";
        cursor "Прочитано", "Read up to";
        quota "Запросов сегодня", "Requests today";
        waiting "Ждут", "Waiting";
        failed "Ошибок за сутки", "Errors in a day";
        roles "Роли", "Roles";
        feeds "Опрос", "Polls";
        feed "Что", "What";
        every "Раз в", "Every";
        read "Прочитано до конца", "Read to the end";
        owner "Обслуживает процесс", "Owned by";
        pace "Запросов в секунду", "Requests a second";
        hook "Адрес для внешней системы", "Address for the far side";
        hook_hint "Вставьте его в настройки вебхука.", "Paste it into the settings of the webhook.";
        hook_hidden "Секрет виден тем, кому разрешены действия.", "The secret is shown to who may act.";
        hook_host "Наш внешний адрес не задан: впишите public в [console].", "Our own address is not set: write public in [console].";
        trigger "Что ввести во внешней системе", "What to enter at the far side";
        settings "Настройки", "Settings";
        value "Значение", "Value";
        place "Где задано", "Where it is set";
        by_default "по умолчанию", "default";
        secret "секрет", "secret";
        lists "Справочники", "Live codes";
        lists_hint "Читаются из внешней системы в момент открытия.", "Read from the far side when opened.";
        list_read "Прочитано", "Read";
        list_empty "Список пуст", "The list is empty";
        offer "Что может использовать связка", "What a flow may use";
        events "События", "Events";
        event_fields "Поля события", "Fields of the event";
        queries "Вопросы", "Queries";
        operations "Операции", "Operations";
        field "Поле", "Field";
        kind "Вид", "Kind";
        about "О чём", "About";
        input "На входе", "Input";
        output "На выходе", "Output";
        errors "Последние ошибки", "Latest errors";
        no_errors "За сутки ошибок не было", "No errors in the last day";
        drift "Расхождения со связками", "Drift against the flows";
        used_by "Используют связки", "Used by flows";
        back "К подключению", "To the connection";
    }
}
