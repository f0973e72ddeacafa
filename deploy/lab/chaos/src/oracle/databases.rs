//! Databases of a run: created, connected to with retries because their server may just have been killed, dropped.

use anyhow::Context;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use std::time::{Duration, Instant};

/// Creates a database of that name beside another one; its address.
pub(crate) async fn create_database(url: &str, name: &str) -> anyhow::Result<String> {
    let pool = connect_with_retry(url).await?;
    sqlx::query(sqlx::AssertSqlSafe(format!("create database \"{name}\""))).execute(&pool).await?;
    sibling(url, name)
}

pub(crate) async fn drop_database(url: &str, name: &str) -> anyhow::Result<()> {
    let pool = connect_with_retry(url).await?;
    sqlx::query(sqlx::AssertSqlSafe(format!("drop database if exists \"{name}\" with (force)"))).execute(&pool).await?;
    Ok(())
}

fn sibling(url: &str, name: &str) -> anyhow::Result<String> {
    let (place, settings) = url.split_once('?').map_or((url, None), |(place, settings)| (place, Some(settings)));
    let (server, _) = place.rsplit_once('/').context("the database's address names no database")?;
    let settings = settings.map(|settings| format!("?{settings}")).unwrap_or_default();
    Ok(format!("{server}/{name}{settings}"))
}

/// A connection to a server that may just have been started.
pub(super) async fn connect_with_retry(url: &str) -> anyhow::Result<PgPool> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match PgPoolOptions::new().max_connections(2).connect(url).await {
            Ok(pool) => return Ok(pool),
            Err(e) if Instant::now() > deadline => return Err(e).context("connect to PostgreSQL"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}
