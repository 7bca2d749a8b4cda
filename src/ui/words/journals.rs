//! Words of the journals and of what stands in their columns. Invariant: see `words`.

words! {
    /// Leads, deals and messages.
    Journals {
        leads_lead "Звонки, заявки и чаты: откуда пришли и что из них вышло.", "Calls, requests and chats: where they came from and what became of them.";
        deals_lead "Сделки в коллтрекинге: источник, деньги и лид, с которым связаны.", "Deals in call tracking: source, money, and the lead they are linked to.";
        messages_lead "Переписка мессенджеров и чатов CRM.", "What messengers and the CRM's chats wrote.";
        search "Поиск", "Search";
        search_hint "Телефон, почта, номер или id", "Phone, e-mail, number or id";
        search_whole "Поиск идёт по всему журналу, не только по выбранным дням.", "The search goes through the whole journal, not only the chosen days.";
        period "Период", "Period";
        today "Сегодня", "Today";
        week "7 дней", "7 days";
        month "31 день", "31 days";
        quarter "90 дней", "90 days";
        from "С", "From";
        to "По", "To";
        more_filters "Ещё фильтры", "More filters";
        any "все", "all";
        show "Показать", "Show";
        clear "Сбросить", "Clear";
        columns "Столбцы", "Columns";
        columns_save "Применить", "Show these";
        export "Скачать CSV", "Download CSV";
        older "Раньше", "Older";
        newer "Позже", "Newer";
        empty "За эти дни ничего нет", "Nothing in these days";
        empty_hint "Попробуйте другой период или сбросьте фильтры.", "Try another period, or clear the filters.";
        unfound "Ничего не нашлось", "Nothing was found";
        unfound_hint "Ищется точное совпадение: телефон в любом формате, почта, номер заказа, id.", "It must match exactly: a phone in any mask, an e-mail, an order's number, an id.";
        more_than "больше", "more than";
        usual "Столбцы не выбраны: показаны обычные", "No columns were chosen: the usual ones are shown";
        at "Время", "Time";
        kind "Вид", "Kind";
        id "id", "ID";
        contacts "Контакты", "Contacts";
        name "Имя", "Name";
        source "Источник", "Source";
        medium "Канал", "Medium";
        campaign "Кампания", "Campaign";
        outcome "Итог", "Outcome";
        orders "Результат", "Became";
        connection "Подключение", "Connection";
        number "Номер", "Number";
        ordered "Создана", "Made";
        status "Статус", "Status";
        revenue "Сумма", "Revenue";
        currency "Валюта", "Currency";
        manager "Менеджер", "Manager";
        funnel "Воронка", "Funnel";
        lead "Лид", "Lead";
        changed "Записана", "Written";
        due "Обновится", "Next update";
        linked "Связь с лидом", "Link to a lead";
        linked_yes "есть", "linked";
        linked_no "Лид не найден", "«Лид не найден»";
        gone "заказ удалён", "deleted";
        merged "заказ объединён с", "merged into";
        direction "Направление", "Direction";
        person "Собеседник", "Person";
        contact "Контакт", "Contact";
        text "Текст", "Text";
        files "Файлы", "Files";
        state "Состояние", "State";
        by_source "Сумма по источникам", "Revenue by source";
        by_campaign "Сумма по кампаниям", "Revenue by campaign";
        no_source "без источника", "no source";
        no_campaign "без кампании", "no campaign";
        no_revenue "За эти дни сделок с суммой нет", "No deals with revenue in these days";
        others "остальные", "others";
        total "всего", "in all";
    }
}

words! {
    /// What states are called, wherever they are shown.
    States {
        waiting "ждёт", "waiting";
        deciding "решается", "deciding";
        acted "сделано", "acted";
        skipped "пропущено", "skipped";
        incomplete "неполный", "incomplete";
        stuck "требует внимания", "needs a person";
        none "только в журнале", "in the journal only";
        running "идёт", "running";
        done "сделано", "done";
        refused "отказано", "refused";
        unknown "неизвестно", "unknown";
        absent "не дошло", "did not arrive";
        later "отложено", "later";
        act "выполнить", "act";
        skip "пропустить", "skip";
        ready "работает", "works";
        paused "на паузе", "paused";
        setting_up "настраивается", "setting up";
        not_seen "ещё не работало", "has not run yet";
        stopped "остановлена", "stopped";
        off "выключена", "off";
        flow_running "работает", "running";
        received "получено", "received";
        queued "в очереди", "queued";
        sent "отправлено", "sent";
        delivered "доставлено", "delivered";
        read "прочитано", "read";
        error "ошибка", "failed";
        into "входящее", "from a person";
        out "исходящее", "to a person";
        call "звонок", "call";
        request "заявка", "request";
        chat "чат", "chat";
        order "заказ", "order";
        deal "сделка", "deal";
        customer "клиент", "customer";
        message "сообщение", "message";
        late "опаздывает", "late";
        well "в порядке", "well";
        ill "есть расхождения", "has drifted";
        same "то же самое", "the same";
        untold "неизвестно", "cannot be told";
        rested "связка стояла", "the flow was stopped";
        gone "связки нет", "the flow is gone";
        passed "проходит", "passes";
        failed "не проходит", "fails";
        warning "предупреждение", "warning";
        note "заметка", "note";
    }
}
