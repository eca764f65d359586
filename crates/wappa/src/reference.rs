//! The reference: pages written from the descriptions of the components and of the command line.
