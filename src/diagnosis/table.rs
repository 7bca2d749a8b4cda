//! A TOML table that is read key by key and knows what was not asked for. (skeleton)

pub struct Table;
