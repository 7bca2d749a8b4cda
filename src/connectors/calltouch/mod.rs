//! Calltouch (skeleton).
