import ArgumentParser
import Checkpoints

/// `hosts`: what `launch/cluster.sh` asks of a hosts file. A line for each host: its name, its ranks (`-` if the file does
/// not say) and the line in which it stands.
struct Hosts: LookoutCommand {
  static let configuration = CommandConfiguration(
    commandName: "hosts", abstract: "Lists the hosts of a hosts file; launch/cluster.sh runs it.", shouldDisplay: false)

  @Argument(help: ArgumentHelp("A host a line: NAME, NAME:RANKS or NAME slots=RANKS.", valueName: "file"))
  var file: String

  func look() throws -> Int32 {
    let bytes = try LocalFileSystem().contents(of: file, limit: HostsFile.largestByteCount)
    let lines = try HostsFile(bytes, path: file).hosts.map { host in
      "\(host.name) \(host.rankCount.map(String.init) ?? "-") \(host.line)"
    }
    try Console(isSpeaker: true).write(lines.joined(separator: "\n"))
    return 0
  }
}
