//! sandbox (skeleton)
