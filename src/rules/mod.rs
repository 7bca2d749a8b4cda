//! rules (skeleton)
