import Synchronization
import Tensors
import Topology

/// What the writing thread of rank 0 writes: its own tensors from the snapshot, the others' as their chunks come.
final class TensorFeed {
  private let division: SaveDivision
  private var streams: [Rank: Stream]
  /// Moves whenever something was written.
  private let progress: WritingProgress

  /// The part of a rank's stream that has not been written yet.
  fileprivate struct Stream {
    let channel: ChunkChannel?
    var chunk: Buffer<Float>
    var position = 0
    /// The tensors that have been written, and their digests.
    var written: [(name: String, path: String, digest: String)] = []
  }

  init(_ division: SaveDivision, own: Snapshot, channels: [Rank: ChunkChannel], progress: WritingProgress) {
    self.division = division
    self.progress = progress
    streams = channels.mapValues { Stream(channel: $0, chunk: Buffer(count: 0)) }
    streams[TensorStream.leader] = Stream(channel: nil, chunk: own.values)
  }

  var slots: [ParameterSlot] { division.slots }

  /// Writes the next tensor of its giver's stream.
  ///
  /// - Throws: `SaveCancelled` if the job has failed meanwhile; `CheckpointError`.
  func append(slot: Int, buffer: Int, to writer: SafetensorsWriter) throws {
    let giver = division.giver(of: slot)
    guard var stream = streams[giver] else { preconditionFailure("\(giver) gives a tensor but has no stream") }
    var missing = slots[slot].shape.elementCount
    while missing > 0 {
      if stream.position == stream.chunk.count { try stream.turn() }
      let count = min(missing, stream.chunk.count - stream.position)
      try writer.append(stream.chunk[stream.position..<stream.position + count])
      progress.note()
      stream.position += count
      missing -= count
    }
    let name = TrainingStateNames.prefixes[buffer] + slots[slot].name
    stream.written.append((name, writer.path, writer.digest(of: name)))
    streams[giver] = stream
  }

  /// Checks that what every rank says about its tensors holds for what has been written.
  func requireAgreement() throws {
    for (rank, stream) in streams.sorted(by: { $0.key < $1.key }) {
      guard let channel = stream.channel else { continue }
      guard let digests = channel.awaitDigests() else { throw SaveCancelled() }
      for (digest, written) in zip(digests, stream.written) where Digest.hexadecimal(digest) != written.digest {
        throw CheckpointError(
          .damaged, written.path, tensor: written.name,
          "what \(rank) gave has digest \(Digest.hexadecimal(digest)), what was written has \(written.digest): "
            + "it was damaged on the way")
      }
    }
  }

  /// Takes no more from the other ranks.
  func abandon() {
    for stream in streams.values { stream.channel?.abandon() }
  }
}

extension TensorFeed.Stream {
  /// Goes on to the next chunk.
  fileprivate mutating func turn() throws(SaveCancelled) {
    guard let channel else { preconditionFailure("rank 0's own stream ended early") }
    if chunk.count > 0 { channel.recycle(chunk) }
    guard let next = channel.next() else { throw SaveCancelled() }
    chunk = next
    position = 0
  }
}

/// The job has failed while a checkpoint was being written.
struct SaveCancelled: Error {}

/// Tells the thread that waits for a checkpoint whether the one that writes it gets on.
final class WritingProgress: Sendable {
  private let notes = Atomic<Int>(0)

  func note() { notes.wrappingAdd(1, ordering: .relaxed) }
  var count: Int { notes.load(ordering: .relaxed) }
}
