//! `sluice-operator`: runs the operator, or prints the custom resource definition.

use std::{io::Write, net::SocketAddr, sync::Arc};

use anyhow::Context;
use clap::{Parser, Subcommand};
use operator::{
    controller::{self, Options},
    crd, election,
    server::{self, Metrics},
};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "sluice-operator", version = env!("SLUICE_VERSION"), about = "Runs FlinkJobs on Kubernetes")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The only namespace to watch; all if not given.
    #[arg(long, env = "SLUICE_NAMESPACE")]
    namespace: Option<String>,
    /// Where JobManagers answer; {namespace} and {name} are filled in.
    #[arg(long, env = "SLUICE_JOBMANAGER_URL", default_value = "http://{name}-jobmanager.{namespace}.svc:8081")]
    jobmanager_url: String,
    /// Address of /healthz and /metrics.
    #[arg(long, env = "SLUICE_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Be active without asking for the Lease.
    #[arg(long, env = "SLUICE_NO_LEADER_ELECTION")]
    no_leader_election: bool,
    /// Namespace of the Lease; the pod's or the kubeconfig's if not given.
    #[arg(long, env = "POD_NAMESPACE")]
    lease_namespace: Option<String>,
    /// Name of the Lease.
    #[arg(long, env = "SLUICE_LEASE", default_value = "sluice-operator")]
    lease: String,
    /// Who holds the Lease.
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Prints the custom resource definition.
    Crd,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if matches!(arguments.command, Some(Command::Crd)) {
        std::io::stdout().write_all(crd::yaml()?.as_bytes())?;
        return Ok(());
    }
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,kube=warn"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(std::io::stderr).init();
    let installed = rustls::crypto::ring::default_provider().install_default();
    anyhow::ensure!(installed.is_ok(), "another TLS provider is installed");
    run(arguments).await
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = kube::Config::infer().await.context("no cluster")?;
    let namespace = arguments.lease_namespace.unwrap_or_else(|| config.default_namespace.clone());
    let client = kube::Client::try_from(config)?;
    let metrics = Arc::new(Metrics::default());
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let end = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the name of this process holds its start")]
    let now = chrono::Utc::now();
    let identity = election::identity(arguments.identity, now);
    let mut candidate = election::Candidate::new(client.clone(), &namespace, &arguments.lease, &identity);
    let options = Options { namespace: arguments.namespace, jobmanager_url: arguments.jobmanager_url };
    let elects = !arguments.no_leader_election;
    let work = async {
        if elects {
            candidate.acquire().await;
        }
        tracing::info!(identity, "active");
        metrics.leader.set(1);
        let lost = async {
            if elects {
                candidate.hold().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = lost => anyhow::bail!("the lease is lost"),
            ended = controller::run(client.clone(), &options, Arc::clone(&metrics)) => {
                ended?;
                anyhow::bail!("the watches ended")
            }
        }
    };
    let result = tokio::select! {
        result = work => result,
        served = server::serve(arguments.listen, Arc::clone(&metrics)) => served.context("serving health and metrics"),
        () = end => Ok(()),
    };
    if elects && result.is_ok() {
        candidate.release().await;
    }
    result
}
