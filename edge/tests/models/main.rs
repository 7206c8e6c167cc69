//! Models of the hub: its feed, registry, pump, parts and questions, as they are, under every order in which their tasks can run.
//!
//! The files are those of `src/hub`; only what they wait by (`sync`) and where their items come from (`supply`) is put in.
//! An order that breaks a model is printed, and can be run again by `shuttle::replay`.

// The files under test find what they name by `crate::`.
use lastmile_edge::{bell, cursor, error, identity, schema, upstream};

mod explore;
#[path = "../edge/shop.rs"]
#[expect(dead_code, reason = "the models need one method of it")]
mod shop;
mod hub;
mod line;
mod waking;
mod calling;
mod asking;
mod ring;
mod seats;
mod pace;
mod whole;
