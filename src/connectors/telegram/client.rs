//! How the Bot API is asked. Invariant: the token stands in the path that is sent and in no template,
//! span, error or log.

use super::judge::{Judged, judge};
use crate::connectors::http::{
    Body, Client, Failure, FileStream, Method, Request, Response, Upload,
};
use crate::domain::Delay;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub const GET_ME: &str = "/bot{token}/getMe";
pub const GET_UPDATES: &str = "/bot{token}/getUpdates";
pub const GET_WEBHOOK: &str = "/bot{token}/getWebhookInfo";
pub const SET_WEBHOOK: &str = "/bot{token}/setWebhook";
pub const DELETE_WEBHOOK: &str = "/bot{token}/deleteWebhook";
pub const GET_FILE: &str = "/bot{token}/getFile";
pub const SEND_MESSAGE: &str = "/bot{token}/sendMessage";
pub const EDIT_TEXT: &str = "/bot{token}/editMessageText";
pub const EDIT_CAPTION: &str = "/bot{token}/editMessageCaption";
pub const DELETE_MESSAGE: &str = "/bot{token}/deleteMessage";
pub const ANSWER_PRESS: &str = "/bot{token}/answerCallbackQuery";

/// What is put in the place of the token.
const TOKEN: &str = "{token}";
const FILE: &str = "/file/bot{token}/{path}";

/// One bot.
pub struct Api {
    pub client: Client,
    pub token: SecretString,
}

impl Api {
    /// Calls a method that acts.
    pub async fn call(&self, method: &'static str, body: Value) -> Judged {
        let answer = self.client.send(self.request(method, Body::Json(body))).await;
        judge(answer, self.token.expose_secret())
    }

    /// Calls a method with a file in the field of this name.
    pub async fn call_with(
        &self,
        (method, field): (&'static str, &'static str),
        fields: Vec<(String, String)>,
        file: FileStream,
    ) -> Judged {
        let request = self.request(method, Body::Empty);
        let answer = self.client.upload(request, Upload::Form(fields, field), file).await;
        judge(answer, self.token.expose_secret())
    }

    /// Calls a method that changes nothing, or that may be repeated.
    ///
    /// # Errors
    /// Whose trouble it is that there is no answer.
    pub async fn ask(&self, method: &'static str, body: Value) -> Result<Value, Delay> {
        match self.call(method, body).await {
            Judged::Done(result) => Ok(result),
            Judged::Later(delay) | Judged::Unknown(delay) => Err(delay),
            Judged::Refused(refusal) => Err(Delay::connection(format!(
                "Telegram refused {}: {}",
                name(method),
                refusal.said
            ))),
        }
    }

    /// Asks for the bytes of a file, by the path that Telegram told.
    ///
    /// # Errors
    /// As [`Client::download`].
    pub async fn download(
        &self,
        path: &str,
        name: &str,
    ) -> Result<Result<FileStream, Response>, Failure> {
        let file = FILE.replace("{path}", path).replace(TOKEN, self.token.expose_secret());
        let request = Request {
            method: Method::Get,
            template: FILE,
            path: file,
            query: vec![],
            headers: vec![],
            body: Body::Empty,
        };
        self.client.download(request, name).await
    }

    fn request(&self, method: &'static str, body: Body) -> Request {
        Request {
            method: Method::Post,
            template: method,
            path: method.replace(TOKEN, self.token.expose_secret()),
            query: vec![],
            headers: vec![],
            body,
        }
    }
}

fn name(method: &str) -> &str {
    method.rsplit('/').next().unwrap_or(method)
}
