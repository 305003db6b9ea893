use proptest::prelude::*;

use super::*;

const BASE: &str = "http://h";

fn signer() -> Signer {
    Signer::new("secret", "b")
}

/// What a server makes of a request with this URL.
fn open(signer: &Signer, method: &str, url: &str, now: u64) -> Result<Grant, SignError> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.strip_prefix("http://h/s3/").unwrap();
    let (bucket, key) = path.split_once('/').unwrap();
    let key = percent_decode_str(key).decode_utf8().unwrap();
    signer.verify(method, bucket, &Key::parse(&key).unwrap(), query, now)
}

fn grants() -> impl Strategy<Value = Grant> {
    let size = prop_oneof![
        Just(SizeRule::Any),
        any::<u64>().prop_map(SizeRule::AtMost),
        any::<u64>().prop_map(SizeRule::Exactly),
    ];
    let put = (
        size.clone(),
        proptest::option::of("[a-z/ ;=&+é-]{1,9}"),
        proptest::option::of(any::<u64>()),
    );
    let access = prop_oneof![
        Just(Access::Get),
        put.prop_map(|(size, content_type, delete_at)| Access::Put(PutOptions {
            content_type,
            size,
            delete_at
        })),
        ("[a-z0-9&=%]{1,9}", any::<u32>(), size).prop_map(|(upload, number, size)| Access::Part {
            upload,
            number,
            size
        }),
    ];
    let key = "[\\PC]{1,9}(/[a-z %+#?&=]{1,5}){0,2}".prop_filter_map("no key", |text| Key::parse(&text).ok());
    (key, access).prop_map(|(key, access)| Grant { key, access })
}

fn method_of(grant: &Grant) -> &'static str {
    if grant.access == Access::Get { "GET" } else { "PUT" }
}

proptest! {
    #[test]
    fn what_is_signed_is_granted(grant in grants(), expires in 1_u64..) {
        let url = signer().sign(&grant, expires, BASE);
        prop_assert!(url.is_ascii() && !url.contains(' '));
        prop_assert_eq!(open(&signer(), method_of(&grant), &url, expires - 1), Ok(grant.clone()));
        prop_assert_eq!(open(&signer(), method_of(&grant), &url, expires), Err(SignError::Expired));
        let other = if grant.access == Access::Get { "PUT" } else { "GET" };
        prop_assert_eq!(open(&signer(), other, &url, 0), Err(SignError::Method));
        prop_assert_eq!(open(&signer(), "DELETE", &url, 0), Err(SignError::Method));
        let stranger = Signer::new("other secret", "b");
        prop_assert_eq!(open(&stranger, method_of(&grant), &url, 0), Err(SignError::Forged));
    }

    /// A signature is good for one grant and one time.
    #[test]
    fn signatures_cannot_be_moved(one in grants(), two in grants(), times in (1_u64.., 1_u64..)) {
        prop_assume!(one != two || times.0 != times.1);
        let urls = (signer().sign(&one, times.0, BASE), signer().sign(&two, times.1, BASE));
        let (_, signature) = urls.0.rsplit_once('=').unwrap();
        let (rest, _) = urls.1.rsplit_once('=').unwrap();
        let moved = format!("{rest}={signature}");
        prop_assert_eq!(open(&signer(), method_of(&two), &moved, 0), Err(SignError::Forged));
    }

    /// Any change of any character of the query, and any one more parameter of ours, spoils the URL.
    #[test]
    fn urls_cannot_be_edited(grant in grants(), at in any::<prop::sample::Index>(), new in "[A-Za-z0-9_-]") {
        let url = signer().sign(&grant, 9, BASE);
        let start = url.find('?').unwrap() + 1;
        let at = start + at.index(url.len() - start);
        let mut edited = url.clone();
        edited.replace_range(at..=at, &new);
        prop_assume!(edited != url);
        // The last character of the signature has two bits that mean nothing; everything else counts.
        let granted = open(&signer(), method_of(&grant), &edited, 0);
        prop_assert!(granted.is_err() || (granted == Ok(grant.clone()) && percent_same(&url, &edited)), "{}", edited);
        for added in ["X-Hypha-Size=1", "X-Hypha-Max-Size=1", "X-Hypha-Method=PUT", "X-Hypha-Expires=99", "partNumber=1"] {
            let more = format!("{url}&{added}");
            let granted = open(&signer(), method_of(&grant), &more, 0);
            prop_assert!(granted.is_err() || granted == Ok(grant.clone()), "{}", more);
        }
    }
}

/// Whether two URLs are the same but for the case of percent escapes.
fn percent_same(one: &str, two: &str) -> bool {
    percent_decode_str(one).eq(percent_decode_str(two))
}

#[test]
fn nothing_is_granted_without_a_signature() {
    let key = Key::parse("a").unwrap();
    let verify = |query: &str| signer().verify("GET", "b", &key, query, 0);
    assert_eq!(verify(""), Err(SignError::Missing));
    assert_eq!(
        verify("X-Hypha-Method=GET&X-Hypha-Expires=99"),
        Err(SignError::Missing)
    );
    for query in [
        "X-Hypha-Method=GET&X-Hypha-Expires=99&X-Hypha-Sig=",
        "X-Hypha-Method=GET&X-Hypha-Expires=99&X-Hypha-Sig=AAAA",
        "X-Hypha-Method=GET&X-Hypha-Sig=AAAA",
        "X-Hypha-Method=*&X-Hypha-Expires=99&X-Hypha-Sig=AAAA",
        "AWSAccessKeyId=K&Signature=S&Expires=99&X-Hypha-Sig=%ff",
    ] {
        assert_eq!(verify(query), Err(SignError::Forged), "{query}");
    }
    assert_eq!(verify(&"x".repeat(9000)), Err(SignError::Forged));
}

#[test]
fn buckets_and_debug_texts() {
    let grant = Grant {
        key: Key::parse("a").unwrap(),
        access: Access::Get,
    };
    let url = signer().sign(&grant, 9, BASE).replace("/b/", "/c/");
    assert_eq!(open(&signer(), "GET", &url, 0), Err(SignError::Forged));
    assert!(!format!("{:?}", signer()).contains("secret"));
}
