//! Clients behind a proxy: each has a limit of its own where the proxy is trusted, and nobody names himself.

use crate::ground::Ground;
use crate::serving::Serving;
use reqwest::Method;

#[tokio::test]
async fn clients_behind_a_trusted_proxy_have_limits_of_their_own() {
    let ground = Ground::sqlite().await;
    let status = async |api: &Serving, header: &str, value: &str| {
        api.request(Method::GET, "/v1/chains", &[(header, value)]).await.status().as_u16()
    };
    let api = Serving::with(&ground.url(), |settings| {
        Serving::rated(1, 2)(settings);
        settings.trusted_proxies = "127.0.0.0/8".parse().unwrap();
    })
    .await;
    for client in 0..60 {
        assert_eq!(status(&api, "x-forwarded-for", &format!("203.0.113.{client}")).await, 200);
    }
    let mut greedy = vec![];
    for lie in 0..4 {
        greedy.push(status(&api, "x-forwarded-for", &format!("198.51.100.{lie}, 203.0.113.200")).await);
    }
    assert_eq!(greedy, [200, 200, 429, 429], "what a client writes itself grants nothing");
    let untrusting = Serving::with(&ground.url(), Serving::rated(1, 2)).await;
    let mut shared = vec![];
    for lie in 0..3 {
        shared.push(status(&untrusting, "forwarded", &format!("for=203.0.113.{lie}")).await);
    }
    assert_eq!(shared, [200, 200, 429], "who is not trusted names nobody");
}
