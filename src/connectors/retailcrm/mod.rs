//! RetailCRM (skeleton).
