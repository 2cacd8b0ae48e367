//! Sentences about the running programs, and laws about their parts.

mod floors;
mod ldif;
mod phone_numbers;
