import Checkpoints
import Communication
import Topology
import Tracing

/// The file of `--trace`: what every rank of the job recorded, for Perfetto and for `moe-worker timeline`.
final class TraceFile {
  /// Takes what this rank has to note.
  let recorder = TraceRecorder()
  private let worker: Worker
  /// On rank 0, which writes.
  private var file: OutputFile?

  /// Makes the file, so that a place where none can be is refused before the job has run. Every rank calls it.
  init(_ path: String, _ worker: Worker) throws(Refusal) {
    self.worker = worker
    file = try worker.world.agree { worker.world.rank == Rank(0) ? try OutputFile(path) : nil }
  }

  /// Collects the events of all ranks and puts the file in its place. Every rank calls it, once.
  func write() throws {
    recorder.clockOffset = try clockOffset()
    let own = RankTrace(recorder, rank: worker.world.rank.index, host: worker.host.hostName)
    let encoded = try worker.world.gatherBytes(own.encoded, at: Rank(0))
    try worker.world.agree {
      guard let file, let encoded else { return }
      try ChromeTrace(decoded(encoded)).write { (text) throws(CheckpointError) in try file.append(text) }
      try file.finish()
    }
  }

  /// Ranks of one machine see one clock, exactly; only other machines' clocks have to be asked for.
  private func clockOffset() throws -> Int64 {
    let machine = worker.hosts[0].machine
    guard worker.hosts.contains(where: { $0.machine != machine }) else { return 0 }
    let measured = try worker.world.clockOffset(to: Rank(0)) { recorder.now }
    return worker.host.machine == machine ? 0 : measured
  }

  private func decoded(_ encoded: [[UInt8]]) throws(Refusal) -> [RankTrace] {
    var ranks: [RankTrace] = []
    for (rank, bytes) in encoded.enumerated() {
      do {
        ranks.append(try RankTrace(rank: rank, host: worker.hosts[rank].hostName, decoding: bytes))
      } catch {
        throw Refusal(.protocolViolation, "rank \(rank) sent no trace: \(error)")
      }
    }
    return ranks
  }
}
