//! The edge against real descriptors and a scripted backend. Its logic is tested without sockets and without waiting, what
//! HTTP clients see of it over real ones.

mod shop;
mod backend;
mod host;
mod subscriber;
mod arbitrary;
mod cursors;
mod scramble;
mod json;
mod wire;
mod styles;
mod editions;
mod rules;
mod http_rules;
mod routing;
mod openapi;
mod cli;
mod items;
mod requests;
mod feeds;
mod splits;
mod faces;
mod delivery;
mod served;
mod bodies;
mod transfers;
mod site;
mod errors;
mod manners;
mod gateway;
mod coming_from;
mod coming_from_later;
mod balance;
mod retries;
mod learning;
