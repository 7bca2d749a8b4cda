//! The words of a block in each language. Invariant: what an agent reads is short and says what to do.

use serde::Serialize;

/// The first is the default.
pub const LANGUAGES: &[&str] = &["ru", "en", "pt"];

/// A template sees them as `words`.
#[derive(Debug, Serialize)]
pub struct Words {
    #[serde(skip)]
    pub language: &'static str,
    pub orders: &'static str,
    pub no_orders: &'static str,
    /// Before the number of orders that are not shown.
    pub more: &'static str,
    /// Somebody without a name.
    pub unnamed: &'static str,
    #[serde(skip)]
    pub nobody: &'static str,
    #[serde(skip)]
    pub no_contacts: &'static str,
    #[serde(skip)]
    pub elsewhere: &'static str,
    #[serde(skip)]
    pub unreadable: &'static str,
    #[serde(skip)]
    pub late: &'static str,
    #[serde(skip)]
    pub paused: &'static str,
    #[serde(skip)]
    pub failed: &'static str,
    #[serde(skip)]
    pub refresh: &'static str,
}

const RU: Words = Words {
    language: "ru",
    orders: "Заказы",
    no_orders: "Заказов нет",
    more: "Ещё заказов:",
    unnamed: "Без имени",
    nobody: "Клиент не найден",
    no_contacts: "В тикете нет ни телефона, ни e-mail",
    elsewhere: "Параметр subdomain не задан или указывает на другой аккаунт CRM",
    unreadable: "Данные клиента в запросе не читаются",
    late: "CRM ещё ищет клиента",
    paused: "Связь с CRM приостановлена",
    failed: "CRM не ответила",
    refresh: "Обновите блок через несколько секунд",
};

const EN: Words = Words {
    language: "en",
    orders: "Orders",
    no_orders: "No orders",
    more: "More orders:",
    unnamed: "No name",
    nobody: "Customer not found",
    no_contacts: "The ticket has neither phone nor e-mail",
    elsewhere: "The parameter subdomain is missing or names another CRM account",
    unreadable: "The client's data cannot be read",
    late: "The CRM is still searching",
    paused: "The connection to the CRM is paused",
    failed: "The CRM did not answer",
    refresh: "Refresh the block in a few seconds",
};

const PT: Words = Words {
    language: "pt",
    orders: "Pedidos",
    no_orders: "Sem pedidos",
    more: "Mais pedidos:",
    unnamed: "Sem nome",
    nobody: "Cliente não encontrado",
    no_contacts: "O ticket não tem telefone nem e-mail",
    elsewhere: "O parâmetro subdomain está ausente ou indica outra conta do CRM",
    unreadable: "Os dados do cliente não podem ser lidos",
    late: "O CRM ainda está procurando o cliente",
    paused: "A conexão com o CRM está pausada",
    failed: "O CRM não respondeu",
    refresh: "Atualize o bloco em alguns segundos",
};

pub fn of(language: &str) -> &'static Words {
    match language {
        "en" => &EN,
        "pt" => &PT,
        _ => &RU,
    }
}
