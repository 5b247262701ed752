import Checkpoints
import Communication
import Glibc
import LanguageModel
import Tensors
import Testing
import Topology

@Suite("Checkpoints when something goes wrong")
struct CheckpointFaultTests {
  private let model = SmallModel(layerCount: 1)

  /// A run with a complete checkpoint of step 1.
  private func begun() throws -> SimulatedDisk {
    let disk = SimulatedDisk(directory: "run")
    try save(step: 1, on: disk)
    disk.settle()
    return disk
  }

  private func save(step: Int, on disk: SimulatedDisk, ranks: Int = 1) throws {
    try LoopbackFabric.run(ranks: ranks) { communicator in
      try model.save(
        step: step, in: RunDirectory("run", files: disk), over: communicator, expertParallelSize: ranks)
    }
  }

  private func errors(savingStep step: Int, on disk: SimulatedDisk, ranks: Int) -> [any Error] {
    let results = LoopbackFabric(ranks: ranks).run { communicator in
      try model.save(
        step: step, in: RunDirectory("run", files: disk), over: communicator, expertParallelSize: ranks)
    }
    return results.compactMap { if case .failure(let error) = $0 { error } else { nil } }
  }

  /// The step of the newest checkpoint, if all of its numbers are those of that step.
  private func loadedStep(_ disk: SimulatedDisk) throws -> Int? {
    try LoopbackFabric.run(ranks: 1) { communicator in
      let run = RunDirectory("run", files: disk)
      guard let source = try ModelSource.newestCheckpoint(in: run, communicator: communicator),
        let step = source.step,
        try model.isLoaded(source, step: step, over: communicator, expertParallelSize: 1)
      else { return nil }
      return step
    }[0]
  }

  /// How many file operations a save makes.
  private func operationCount() throws -> Int {
    let disk = try begun()
    disk.setRule(nil)
    try save(step: 2, on: disk)
    return disk.operationCount
  }

  static let survivals: [SimulatedDisk.Survival] =
    [.nothing, .everything] + (0..<4).map { .chance(seed: $0) }

  @Test("a crash at any file operation leaves the old or the new one, whatever survives of the unsynced")
  func crashes() throws {
    let count = try operationCount()
    #expect(count > 20)
    let begun = try begun()
    var steps: Set<Int> = []
    for crash in 0..<count {
      let disk = begun.copy()
      disk.setRule { index, _, _ in index == crash ? .crash : .proceed }
      #expect(!errors(savingStep: 2, on: disk, ranks: 1).isEmpty, "crash at operation \(crash)")
      for survival in Self.survivals {
        let survivor = disk.copy()
        survivor.restart(keeping: survival)
        let step = try #require(try loadedStep(survivor), "crash at operation \(crash), \(survival) survives")
        steps.insert(step)
        try save(step: 3, on: survivor)
        #expect(try loadedStep(survivor) == 3, "crash at operation \(crash), \(survival) survives")
        #expect(try survivor.names(in: "run").allSatisfy { !$0.hasSuffix(".incomplete") })
      }
    }
    #expect(steps == [1, 2])
  }

  @Test("a completed save survives a loss of power", arguments: survivals)
  func durability(survival: SimulatedDisk.Survival) throws {
    let disk = try begun()
    try save(step: 2, on: disk)
    disk.restart(keeping: survival)
    #expect(try loadedStep(disk) == 2)
  }

  @Test("an error of any file operation is reported on all ranks, and the run can go on", arguments: [ENOSPC, EIO])
  func failures(errno: Int32) throws {
    let count = try operationCount()
    let begun = try begun()
    for failing in 0..<count {
      let disk = begun.copy()
      disk.setRule { index, _, _ in index == failing ? .fail(errno: errno) : .proceed }
      let errors = errors(savingStep: 2, on: disk, ranks: 2)
      let refusals = errors.compactMap { $0 as? Refusal }
      // Some may fail without harm: the look at an earlier checkpoint of the same step, a close while cleaning up.
      #expect(refusals.isEmpty || refusals.count == 2, "operation \(failing): \(errors)")
      for refusal in refusals {
        #expect(refusal.message.contains("run"), "\(refusal)")
        #expect(refusal.message.contains("(errno \(errno))"), "\(refusal)")
      }
      disk.setRule(nil)
      let step = try #require(try loadedStep(disk), "operation \(failing)")
      #expect(refusals.isEmpty ? step == 2 : [1, 2].contains(step), "operation \(failing)")
      try save(step: 3, on: disk)
      #expect(try loadedStep(disk) == 3, "operation \(failing)")
    }
  }

  @Test("short reads and writes change nothing") func shortTransfers() throws {
    let disk = SimulatedDisk(directory: "run")
    disk.setRule { _, operation, _ in operation == .read || operation == .write ? .short(7) : .proceed }
    let loaded = try LoopbackFabric.run(ranks: 2) { communicator in
      let run = RunDirectory("run", files: disk)
      try model.save(step: 1, in: run, over: communicator, expertParallelSize: 2)
      let source = try #require(try ModelSource.newestCheckpoint(in: run, communicator: communicator))
      return try model.isLoaded(source, step: 1, over: communicator, expertParallelSize: 2)
    }
    #expect(loaded == [true, true])
  }

  @Test("a flipped bit anywhere is found, and an earlier checkpoint is taken where that is possible")
  func flippedBits() throws {
    let disk = try begun()
    try save(step: 2, on: disk)
    disk.settle()
    for name in try disk.names(in: "run/checkpoint-2") {
      let path = "run/checkpoint-2/" + name
      let size = disk.content(of: path)?.count ?? 0
      for offset in stride(from: 0, to: size, by: max(1, size / 60)) {
        let damaged = disk.copy()
        damaged.flipBit(of: path, at: offset)
        let outcome = Result { try loadedStep(damaged) }
        switch outcome {
        case .success(let step): #expect(step == 1, "\(path), byte \(offset)")
        case .failure(let error): #expect("\(error)".contains(name), "\(path), byte \(offset): \(error)")
        }
      }
    }
  }

  @Test("a flipped bit of the weights is reported with file and tensor") func flippedWeight() throws {
    let disk = try begun()
    let path = "run/checkpoint-1/model.safetensors"
    let header = try SafetensorsFile(path, files: disk).header
    for entry in header.entries {
      let damaged = disk.copy()
      damaged.flipBit(of: path, at: header.byteCount + entry.bytes.upperBound - 1)
      let refusal = #expect(throws: LoopbackFailure.self) { try loadedStep(damaged) }
      #expect("\(refusal as Any)".contains("\(path): tensor \(entry.name): its digest"))
    }
  }

  @Test("a file that is missing, cut short, empty or swapped makes a checkpoint incomplete")
  func incompleteCheckpoints() throws {
    let disk = try begun()
    try save(step: 2, on: disk)
    let second = "run/checkpoint-2/"
    for name in try disk.names(in: second) {
      let missing = disk.copy()
      try missing.removeFile(second + name)
      #expect(try loadedStep(missing) == 1, "without \(name)")
      for size in [0, (disk.content(of: second + name)?.count ?? 0) / 2] {
        let cut = disk.copy()
        let content = Array(try #require(cut.content(of: second + name)).prefix(size))
        try cut.removeFile(second + name)
        try cut.writeFile(second + name, content)
        #expect(try loadedStep(cut) == 1, "\(name) cut to \(size) bytes")
      }
    }
    for name in ["model.safetensors", "optimizer.safetensors", "trainer_state.json"] {
      let swapped = disk.copy()
      try swapped.removeFile(second + name)
      try swapped.writeFile(second + name, try #require(disk.content(of: "run/checkpoint-1/" + name)))
      #expect(try loadedStep(swapped) == 1, "\(name) of another step")
    }
  }

  @Test("what was passed over is said") func notices() throws {
    let disk = try begun()
    try save(step: 2, on: disk)
    try disk.removeFile("run/checkpoint-2/config.json")
    let checkpoint = try #require(try RunDirectory("run", files: disk).newestCheckpoint())
    #expect(checkpoint.step == 1)
    #expect(checkpoint.passedOver.map(\.path) == ["run/checkpoint-2/config.json"])
  }

  @Test("a run whose only checkpoint is damaged is refused, not begun anew") func onlyDamaged() throws {
    let disk = try begun()
    try disk.removeFile("run/checkpoint-1/config.json")
    #expect(throws: CheckpointError.self) { try RunDirectory("run", files: disk).newestCheckpoint() }
  }

  @Test("a damaged checkpoint of the step to be saved is kept under another name") func damagedAside() throws {
    let disk = try begun()
    try save(step: 2, on: disk)
    try disk.removeFile("run/checkpoint-2/config.json")
    try save(step: 2, on: disk)
    #expect(try loadedStep(disk) == 2)
    #expect(try disk.names(in: "run") == ["checkpoint-1", "checkpoint-2", "checkpoint-2.damaged"])
  }

  @Test("a failure to read on one rank ends the load on all") func readFailure() throws {
    let disk = try begun()
    let failing = disk.copy()
    let results = LoopbackFabric(ranks: 3).run { communicator in
      let run = RunDirectory("run", files: communicator.rank == Rank(1) ? failing : disk)
      let source = try #require(try ModelSource.newestCheckpoint(in: run, communicator: communicator))
      if communicator.rank == Rank(1) {
        failing.setRule { _, operation, _ in operation == .read ? .fail(errno: EIO) : .proceed }
      }
      _ = try model.isLoaded(source, step: 1, over: communicator, expertParallelSize: 3)
    }
    for result in results {
      let refusal = #expect(throws: Refusal.self) { try result.get() }
      #expect(refusal?.kind == .inputOutput)
      #expect(refusal?.message.hasPrefix("rank 1: run/checkpoint-1/model.safetensors: cannot read") == true)
    }
  }
}
