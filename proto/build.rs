//! Compiles the `.proto` files with a compiler written in Rust: no `protoc` is needed on the user's machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["workers", "sweeps", "reads"].map(|name| format!("gridsweep/v1/{name}.proto"));
    println!("cargo::rerun-if-changed=gridsweep");
    let descriptors = protox::compile(files, ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
