import Communication
import Foundation
import Kernels
import Topology

/// What a calibration is of: these hosts with so many ranks and threads, and this build of the program.
struct CalibrationKey: Codable, Hashable {
  struct Host: Codable, Hashable {
    let name: String
    let processor: String
    /// The processors that its ranks may use, in the kernel's notation.
    let processors: [String]
    let ranks: Int
    /// Of all its ranks together.
    let threads: Int
  }

  let hosts: [Host]
  let build: String

  /// Every rank calls it; the build is rank 0's.
  init(_ worker: Worker, _ workers: WorkerPool) throws {
    let threads = try worker.world.allGather(workers.threadCount)
    hosts = worker.hostMap.ranksOfHost.map { ranks in
      let first = worker.hosts[ranks[0]]
      return Host(
        name: first.hostName, processor: first.processorName,
        processors: Set(ranks.map { worker.hosts[$0].allowedProcessors }).sorted(), ranks: ranks.count,
        threads: ranks.reduce(0) { $0 + threads[$1] })
    }
    build = Self.ownBuild
  }

  /// A name for the set of hosts that can stand in a file's name: FNV-1a (64 bits) of its encoding.
  var hostsDigest: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let bytes = (try? encoder.encode(hosts)) ?? Data()
    let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Size and time of the running executable: a new build has another time, however alike its code.
  private static var ownBuild: String {
    let files = FileManager.default
    guard let path = try? files.destinationOfSymbolicLink(atPath: "/proc/self/exe"),
      let attributes = try? files.attributesOfItem(atPath: path), let size = attributes[.size] as? Int,
      let time = attributes[.modificationDate] as? Date
    else { return "unknown" }
    return "\(size) bytes of \(Int((time.timeIntervalSince1970 * 1e3).rounded()))"
  }
}
