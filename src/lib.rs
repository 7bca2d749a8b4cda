//! leadlink: leads of call tracking become customers and orders in the CRM — accepted is kept,
//! done once, explained. Rooms and the dependency law: README, "The house".

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connectors;
pub mod desk;
pub mod diagnosis;
pub mod domain;
pub mod http;
pub mod mapping;
pub mod pipeline;
pub mod rules;
pub mod sandbox;
pub mod store;
pub mod telemetry;
pub mod ui;
