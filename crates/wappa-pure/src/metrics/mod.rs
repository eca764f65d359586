//! Metrics exporters that need no connection.

components! {
    logger,
    none,
}
