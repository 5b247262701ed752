import Foundation
import Glibc
import Testing

/// `launch/cluster.sh` and hosts for it: this machine, entered through an `ssh` that gives every host mounts of its own.
/// So a host can lack or hold whatever a test wants, and the real job runs there.
struct FakeHosts {
  let folder: Folder
  private let hostsFile: String

  static let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../..").standardized.path
  static let script = "\(project)/launch/cluster.sh"
  /// The program as the script knows it.
  static let worker = "\(project)/.build/release/moe-worker"

  /// Mounts need root.
  static let canMount = geteuid() == 0

  /// - Parameter names: what the hosts file lists, a line each.
  init(_ names: String...) throws {
    folder = try Folder()
    hostsFile = try folder.write("hosts", names.joined(separator: "\n") + "\n")
    let ssh = try folder.write("bin/ssh", Self.ssh)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: ssh)
  }

  /// Hosts whose changes are commands in a shell, run as root before anything else runs on the host.
  private static let ssh = """
    #!/usr/bin/env bash
    while [[ $1 == -* ]]; do shift; done
    host=$1
    shift
    changes=$(dirname "$0")/../$host.sh
    if [ "$host" = gone ]; then echo "ssh: connect to host gone port 22: No route to host" >&2; exit 255; fi
    [ -e "$changes" ] || exec bash -c "$*"
    exec unshare --mount bash -c 'source "$1" && shift && exec bash -c "$*"' host "$changes" "$@"

    """

  func change(_ host: String, _ commands: String) throws { try folder.write("\(host).sh", commands + "\n") }

  /// Has a host see other text in a file of the system.
  func replace(_ path: String, on host: String, with text: String) throws {
    let copy = try folder.write("\(host)\(path)", text)
    try change(host, "mount --bind '\(copy)' '\(path)'")
  }

  func run(_ options: [String] = [], _ command: [String], limit: Double = 120) throws -> Program.Outcome {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return try Program.run(
      Self.script, ["--hosts", hostsFile] + options + ["--"] + command,
      ["PATH": "\(folder.file("bin")):\(path)", "TMPDIR": try temporary()], limit: limit)
  }

  /// Files of the script that are still there.
  func leftovers() throws -> [String] {
    // `swift --version`, which the script asks, leaves an empty folder of this name wherever it runs.
    try FileManager.default.contentsOfDirectory(atPath: try temporary()).filter {
      !$0.hasPrefix("TemporaryDirectory.")
    }
  }

  private func temporary() throws -> String {
    let path = folder.file("tmp")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }
}
