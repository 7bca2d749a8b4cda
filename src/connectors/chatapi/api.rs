//! The requests to one instance. Invariant: the token leaves only in the query of a request, never in
//! a text.

use super::judge::readable;
use crate::connectors::http::{
    Body, Client, Failure, FileStream, Method, Request, Response, Upload,
};
use crate::domain::Delay;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The file's field of a form.
const FILE_FIELD: &str = "body";

/// The API of one instance.
pub struct Api {
    pub client: Client,
    pub token: SecretString,
}

impl Api {
    /// Asks a question.
    ///
    /// # Errors
    /// Why there is no answer now.
    pub async fn get(
        &self,
        method: &'static str,
        query: &[(&str, String)],
    ) -> Result<Value, Delay> {
        readable(self.client.send(self.request(Method::Get, method, query, Body::Empty)).await)
    }

    /// Changes something that may be changed again.
    ///
    /// # Errors
    /// Why it could not be done now.
    pub async fn set(&self, method: &'static str, body: Value) -> Result<Value, Delay> {
        readable(self.post(method, body).await)
    }

    pub async fn post(&self, method: &'static str, body: Value) -> Result<Response, Failure> {
        self.client.send(self.request(Method::Post, method, &[], Body::Json(body))).await
    }

    /// Sends a file as a form.
    pub async fn upload(
        &self,
        method: &'static str,
        fields: Vec<(String, String)>,
        file: FileStream,
    ) -> Result<Response, Failure> {
        let request = self.request(Method::Post, method, &[], Body::Empty);
        self.client.upload(request, Upload::Form(fields, FILE_FIELD), file).await
    }

    fn request(
        &self,
        method: Method,
        path: &'static str,
        query: &[(&str, String)],
        body: Body,
    ) -> Request {
        let token = ("token".to_owned(), self.token.expose_secret().to_owned());
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Request {
            method,
            template: path,
            path: path.to_owned(),
            query: std::iter::once(token).chain(query).collect(),
            headers: vec![],
            body,
        }
    }
}
