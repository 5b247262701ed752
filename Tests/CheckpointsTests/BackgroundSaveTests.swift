import Checkpoints
import Communication
import Glibc
import Synchronization
import Tensors
import Testing
import Topology

@Suite("Saving while training goes on")
struct BackgroundSaveTests {
  private let model = SmallModel()

  /// A disk whose files are not created until somebody opens the gate.
  private final class GatedDisk: Sendable {
    let disk = SimulatedDisk(directory: "run")
    private let isOpen = Atomic<Bool>(false)
    var run: RunDirectory { RunDirectory("run", files: disk) }

    init() {
      disk.setRule { [self] _, operation, _ in
        while operation == .create && !isOpen.load(ordering: .acquiring) { usleep(100) }
        return .proceed
      }
    }

    func open() { isOpen.store(true, ordering: .releasing) }
  }

  @Test(
    "saves what was there at the start, and changes nothing for the ranks meanwhile",
    arguments: [(1, 1), (3, 3), (4, 2)])
  func snapshot(ranks: Int, expertParallelSize: Int) throws {
    let gate = GatedDisk()
    let loaded = try LoopbackFabric.run(ranks: ranks) { communicator in
      let saver = try model.saver(gate.run, over: communicator, expertParallelSize: expertParallelSize)
      let layout = model.layout(rank: communicator.rank.index, expertParallelSize: expertParallelSize)
      let contents = model.contents(layout, step: 1)
      #expect(try saver.start(step: 1, contents) == nil)
      for buffer in [contents.weights, contents.firstMoment, contents.secondMoment] { buffer.values.fill(-1) }
      for _ in 0..<20 {
        saver.poke()
        #expect(try communicator.sum(Int64(1)) == Int64(ranks))
      }
      #expect(try saver.takeReport() == nil, "nothing can have been written yet")
      try communicator.barrier()
      gate.open()
      let report = try #require(try saver.finish())
      #expect(report.step == 1 && report.refusal == nil && report.warning == nil)
      let source = try #require(try ModelSource.newestCheckpoint(in: gate.run, communicator: communicator))
      return try model.isLoaded(source, step: 1, over: communicator, expertParallelSize: expertParallelSize)
    }
    #expect(loaded.allSatisfy { $0 })
  }

  @Test("only rank 0 touches files") func otherRanks() throws {
    let counts = try LoopbackFabric.run(ranks: 3) { communicator in
      let disk = SimulatedDisk(directory: "run")
      try model.save(step: 1, in: RunDirectory("run", files: disk), over: communicator, expertParallelSize: 3)
      return disk.operationCount
    }
    #expect(counts[0] > 20 && counts[1...] == [0, 0], "\(counts)")
  }

  @Test("ends without anybody waiting for it, by pokes alone") func pokes() throws {
    let disk = SimulatedDisk(directory: "run")
    try LoopbackFabric.run(ranks: 3) { communicator in
      let saver = try model.saver(RunDirectory("run", files: disk), over: communicator, expertParallelSize: 3)
      let layout = model.layout(rank: communicator.rank.index, expertParallelSize: 3)
      _ = try saver.start(step: 4, model.contents(layout, step: 4))
      var report: SaveReport?
      for _ in 0..<20_000 where report == nil {
        report = try saver.takeReport()
        usleep(100)
      }
      #expect(report?.path == "run/checkpoint-4")
      #expect(try saver.finish() == nil)
      try communicator.barrier()
    }
  }

  @Test("one save is under way at a time: the next one waits and says how the first ended") func order() throws {
    let gate = GatedDisk()
    try LoopbackFabric.run(ranks: 2) { communicator in
      let saver = try model.saver(gate.run, over: communicator, expertParallelSize: 2)
      let layout = model.layout(rank: communicator.rank.index, expertParallelSize: 2)
      _ = try saver.start(step: 1, model.contents(layout, step: 1))
      try communicator.barrier()
      gate.open()
      #expect(try saver.start(step: 2, model.contents(layout, step: 2))?.step == 1)
      #expect(try saver.finish()?.step == 2)
      for step in [1, 2] {
        let source = try #require(
          try ModelSource.newestCheckpoint(in: gate.run, before: step + 1, communicator: communicator))
        #expect(try model.isLoaded(source, step: step, over: communicator, expertParallelSize: 2))
      }
    }
  }

  @Test("a disk that does not answer ends the wait on all ranks and is named") func stuck() {
    let gate = GatedDisk()
    let results = LoopbackFabric(ranks: 2).run(waitLimit: .milliseconds(400)) { communicator in
      let saver = try model.saver(gate.run, over: communicator, expertParallelSize: 2)
      let layout = model.layout(rank: communicator.rank.index, expertParallelSize: 2)
      _ = try saver.start(step: 1, model.contents(layout, step: 1))
      _ = try saver.finish()
    }
    gate.open()
    let errors = results.map { result in #expect(throws: CommunicationError.self) { try result.get() } }
    #expect("\(errors[0] as Any)".contains("missing: the file system"), "\(errors)")
    #expect("\(errors[1] as Any)".contains("rank 0"), "\(errors)")
  }

  @Test("a rank that gives nothing any more is named") func missingRank() {
    let disk = SimulatedDisk(directory: "run")
    let results = LoopbackFabric(ranks: 3).run(waitLimit: .milliseconds(400)) { communicator in
      let saver = try model.saver(RunDirectory("run", files: disk), over: communicator, expertParallelSize: 3)
      let layout = model.layout(rank: communicator.rank.index, expertParallelSize: 3)
      guard communicator.rank != Rank(2) else { return }
      _ = try saver.start(step: 1, model.contents(layout, step: 1))
      _ = try saver.finish()
    }
    let error = #expect(throws: CommunicationError.self) { try results[0].get() }
    #expect("\(error as Any)".contains("missing: rank 2"), "\(error as Any)")
  }

  @Test("what is damaged on its way is not saved, and rank and tensor are named", arguments: [1, 2])
  func damagedMessage(rank: Int) throws {
    let disk = SimulatedDisk(directory: "run")
    let reports = try LoopbackFabric.run(ranks: 3) { communicator -> SaveReport? in
      let world: any Communicator =
        communicator.rank == Rank(rank) ? DamagingCommunicator(communicator) : communicator
      let saver = try model.saver(RunDirectory("run", files: disk), over: world, expertParallelSize: 3)
      let layout = model.layout(rank: communicator.rank.index, expertParallelSize: 3)
      _ = try saver.start(step: 1, model.contents(layout, step: 1))
      return try saver.finish()
    }
    for report in reports {
      #expect(report == reports[0])
      #expect(report?.refusal?.kind == .invalidData)
      #expect(report?.refusal?.message.contains("what rank \(rank) gave") == true, "\(report as Any)")
      #expect(report?.refusal?.message.contains("tensor model.layers.0.block_sparse_moe.experts.") == true)
    }
    #expect(try disk.names(in: "run").isEmpty)
  }
}

/// A rank whose tensors arrive as zeros when it saves.
private final class DamagingCommunicator: Communicator {
  private static let chunkTag = Communication.Tag(0x5_a003)
  private let base: any Communicator

  init(_ base: any Communicator) { self.base = base }

  var rank: Rank { base.rank }
  var worldRanks: [Rank] { base.worldRanks }
  var job: JobState { base.job }
  var collectives: CollectiveState { base.collectives }

  func startSend(_ bytes: MessageBytes, to peer: Rank, tag: Communication.Tag) throws(CommunicationError) -> Request {
    guard tag == Self.chunkTag else { return try base.startSend(bytes, to: peer, tag: tag) }
    return try base.startSend(Buffer<UInt8>(count: bytes.count), to: peer, tag: tag)
  }

  func startReceive(into bytes: MessageBytes, from peer: Rank, tag: Communication.Tag) throws(CommunicationError)
    -> Request
  {
    try base.startReceive(into: bytes, from: peer, tag: tag)
  }

  func startProgressThread() { base.startProgressThread() }
  func poke(_ requests: [Request]) throws(CommunicationError) { try base.poke(requests) }

  func formGroup(_ members: [Rank], number: Int) throws(CommunicationError) -> any Communicator {
    try base.formGroup(members, number: number)
  }
}
