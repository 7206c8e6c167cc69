//! Whoever does not know who issues the tokens trusts nobody.

use lastmile_edge::config::AuthConfig;
use lastmile_edge::config::rest::JsonConfig;
use lastmile_edge::layer::Keys;
use lastmile_edge::schema::merge::{Part, merge};
use lastmile_edge::schema::{RuleFile, Schema, descriptors};
use lastmile_edge::upstream::Upstream;

use crate::shop;

const ISSUER: &str = "lastmile.edge.v1.EdgeIdentityService";

fn with_issuer() -> Schema {
    let files = descriptors::split_set(lastmile_proto::EDGE_DESCRIPTORS).expect("our own files");
    Schema::load(files, &RuleFile::default(), JsonConfig::default(), |_| false).expect("a good schema")
}

fn without() -> Schema {
    let files = descriptors::split_set(&shop::shop().descriptors).expect("a descriptor set");
    Schema::load(files, &RuleFile::default(), JsonConfig::default(), |_| false).expect("a good schema")
}

fn keys(setting: &str) -> Keys {
    let config = AuthConfig { keys: setting.into(), ..AuthConfig::default() };
    Keys::new(config, Upstream::nowhere()).expect("good settings")
}

#[test]
fn nobody_is_let_through_while_the_issuer_may_be_away() {
    let partial = Schema { is_whole: false, ..without() };
    let error = keys("auto").check_known(&partial).expect_err("it may be the issuer that is away");
    assert_eq!((error.http_status().as_u16(), error.reason_text()), (503, "ISSUER_UNKNOWN"));
    assert!(keys("none").check_known(&partial).is_ok());
    assert!(keys("auto").check_known(&without()).is_ok());
    assert!(keys("auto").check_known(&Schema { is_whole: false, ..with_issuer() }).is_ok());
}

#[test]
fn an_issuer_that_goes_away_makes_no_caller_trusted() {
    let keys = keys("auto");
    assert!(!keys.verifies(&without()));
    assert!(keys.verifies(&with_issuer()));
    assert!(keys.verifies(&without()));
}

#[test]
fn what_an_absent_upstream_claims_is_nobody_elses() {
    let files = descriptors::split_set(lastmile_proto::EDGE_DESCRIPTORS).expect("our own files");
    let part = Part {
        upstream: "other".into(),
        files,
        listed: Some(vec![ISSUER.into()].into_iter().collect()),
        services: Vec::new(),
        prefer: Vec::new(),
    };
    let serves = |claims: &[String]| {
        let merged = merge(&[Some(&part), None], claims).expect("no conflict");
        merged.services.contains_key(ISSUER)
    };
    assert!(serves(&[]));
    assert!(!serves(&["lastmile.edge.v1.*".into()]));
}
