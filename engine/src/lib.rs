//! An embeddable, actor-based transaction engine for unattended retail.
