//! The binary: hands over to the commands.

fn main() -> std::process::ExitCode {
    leadlink::cli::main()
}
