//! The command line of the mock.

use std::process::ExitCode;

use callotp_mock::cli;

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    else {
        return ExitCode::FAILURE;
    };
    let code = runtime.block_on(cli::run(std::env::args_os()));
    // A connection that hangs on purpose must not keep the process.
    runtime.shutdown_background();
    ExitCode::from(code)
}
