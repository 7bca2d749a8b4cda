//! Requests, templates and what is shown.
