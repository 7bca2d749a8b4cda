//! Words of the story of one event, and of the search. Invariant: see `words`.

words! {
    /// From raw to answers.
    Tale {
        found "Найдено", "Found";
        found_elsewhere "Искать эти же слова:", "Look for the same words in:";
        sought "Поиск", "Search";
        found_many "Подходит несколько историй", "Several stories match";
        found_none "Ничего не нашлось", "Nothing was found";
        found_hint "Введите телефон в любом формате, почту, номер заказа, id звонка или заявки.", "Type a phone in any mask, an e-mail, an order's number, an id of a call or request.";
        seek "Что искать", "What to look for";
        came "Пришло", "It came";
        by_hook "вебхуком", "by webhook";
        by_feed "опросом", "by polling";
        asked "по просьбе человека", "because a person asked";
        provisional "без id: ключ составлен из содержимого", "without an id: the key is made of its contents";
        aliases "Другие ключи", "Other keys";
        raw "Как пришло, байт в байт", "As it came, byte for byte";
        cut "показано не всё", "not all is shown";
        event "Событие", "Event";
        fields "Поля события", "What it says";
        no_fields "Пустое", "Empty";
        no_jobs "Ни одна связка не приняла решения", "No flow has decided about this";
        job "Задание", "Job";
        due "Решение назначено на", "To be decided at";
        decided "Решено", "Decided";
        redecided "Решено заново", "Decided anew";
        act "выполнить", "to act";
        skip "пропустить", "to skip";
        incomplete "ждать недостающего", "to wait for what is missing";
        because "Почему", "Why";
        saw "при", "seeing";
        facts "Факты, какими они были", "Facts as they were";
        no_facts "Фактов не спрашивали", "No facts were asked";
        not_asked "не спрашивали", "not asked";
        asked_of "спрошено у", "asked of";
        empty "нет", "none";
        chosen "Как выбран лид", "How the lead was chosen";
        steps "Шаги", "Steps";
        given "Входные данные шага", "What the flow gave";
        request "Запрос, секреты скрыты", "Request, without secrets";
        answer "Ответ", "Answer";
        attempts "Попытки", "Attempts";
        under_way "ответа ещё нет", "no answer yet";
        mended "Вмешался человек", "A person stepped in";
        mend_retried "повтор", "retry";
        mend_replayed "новое решение", "decide anew";
        mend_skipped "пропуск", "skip";
        mend_arrived "дошло", "it arrived";
        mend_again "повторная отправка", "send again";
        flow_same "связка с тех пор не менялась", "the flow is the same since then";
        flow_other "связка с тех пор изменена", "the flow has changed since then";
        flow_gone "этой связки больше нет", "this flow is gone";
        silent "Почему другие связки не сработали", "Flows that kept silent";
        links "Связано с", "Linked to";
        things "Сохранённые данные", "What is remembered";
        thing_next "Следующая запись", "Next write";
        thing_rest "записывать нечего", "nothing waits to be written";
        thing_gone "удалено во внешней системе", "gone over there";
        thing_became "стало", "became";
        lanes "Очередь", "Lane";
        tries "попыток", "tries";
        flow "Связка", "Flow";
        details "Подробно", "In detail";
    }
}
