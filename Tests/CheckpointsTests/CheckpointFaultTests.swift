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
  private func loadedStep(_ disk: SimulatedDisk) throws -> Int? { try load(disk)?.step }

  /// Loads the newest checkpoint that is not damaged, if all of its numbers are those of its step.
  private func load(_ disk: SimulatedDisk) throws -> Loaded? {
    try LoopbackFabric.run(ranks: 1) { communicator in
      let run = RunDirectory("run", files: disk)
      var (limit, notices) = (Int.max, [String]())
      while let source = try ModelSource.newestCheckpoint(in: run, before: limit, communicator: communicator),
        let step = source.step
      {
        do throws(Refusal) {
          let isRight = try model.isLoaded(source, step: step, over: communicator, expertParallelSize: 1)
          return isRight ? Loaded(step: step, notices: notices + source.notices) : nil
        } catch {
          guard source.mayBePassedOver(because: error) else { throw error }
          notices.append(error.message)
          limit = step
        }
      }
      return nil
    }[0]
  }

  /// A checkpoint that was loaded, and why newer ones were not.
  private struct Loaded {
    let step: Int
    let notices: [String]
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

  @Test(
    "an error of any file operation is reported on all ranks, and the run can go on",
    arguments: [ENOSPC, EIO, EDQUOT, EINTR])
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

  @Test(
    "a changed byte of headers and manifests, and every 1,000th of data, is found and named; the one before is taken")
  func changedBytes() throws {
    let disk = try begun()
    try save(step: 2, on: disk)
    disk.settle()
    for name in try disk.names(in: "run/checkpoint-2") {
      let path = "run/checkpoint-2/" + name
      let size = disk.content(of: path)?.count ?? 0
      let isData = name.hasSuffix(".safetensors")
      let headerSize = isData ? try SafetensorsFile(path, files: disk).header.byteCount : size
      for offset in Array(0..<headerSize) + Array(stride(from: headerSize, to: size, by: 1000)) {
        let damaged = disk.copy()
        damaged.flipBit(of: path, at: offset)
        let loaded = try load(damaged)
        #expect(loaded?.step == 1, "\(path), byte \(offset)")
        let notice = loaded?.notices.first ?? ""
        let place = offset < headerSize ? name : "\(name): tensor "
        // A manifest that names another file is found out by what is not there.
        #expect(notice.contains(place) || name == "switchyard_manifest.json", "\(path), byte \(offset): \(notice)")
        #expect(notice.contains("checkpoint-2"), "\(path), byte \(offset): \(notice)")
      }
    }
  }

  @Test("random changes of any byte are found, or change nothing") func randomChanges() throws {
    let disk = try begun()
    try save(step: 2, on: disk)
    let names = try disk.names(in: "run/checkpoint-2")
    let random = CounterRandom(seed: 5, stream: "damage")
    for trial in 0..<1000 {
      let path = "run/checkpoint-2/" + names[random.index(UInt64(4 * trial), below: names.count)]
      let content = try #require(disk.content(of: path))
      let damaged = disk.copy()
      let offset = random.index(UInt64(4 * trial + 1), below: content.count)
      let change = UInt8(1 + random.index(UInt64(4 * trial + 2), below: 255))
      damaged.replaceByte(of: path, at: offset) { $0 ^ change }
      let step = try load(damaged)?.step
      // One space for another in the manifest says the same.
      #expect(step == 1 || step == 2 && path.hasSuffix("manifest.json"), "\(path), byte \(offset) ^ \(change)")
    }
  }

  @Test("a flipped bit of the only checkpoint's weights is reported with file and tensor") func flippedWeight() throws {
    let disk = try begun()
    let path = "run/checkpoint-1/model.safetensors"
    let header = try SafetensorsFile(path, files: disk).header
    for entry in header.entries {
      let damaged = disk.copy()
      damaged.flipBit(of: path, at: header.byteCount + entry.bytes.upperBound - 1)
      let (text, step) = try LoopbackFabric.run(ranks: 1) { communicator in
        let run = RunDirectory("run", files: damaged)
        let source = try #require(try ModelSource.newestCheckpoint(in: run, communicator: communicator))
        let refusal = #expect(throws: Refusal.self) {
          try model.isLoaded(source, step: 1, over: communicator, expertParallelSize: 1)
        }
        return (refusal?.message ?? "", source.step)
      }[0]
      #expect(step == 1 && text.contains("\(path): tensor \(entry.name): its digest"), "\(text)")
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
      let whole = try #require(disk.content(of: second + name))
      for size in Set([0, whole.count / 2, whole.count - 1] + stride(from: 0, to: whole.count, by: 4096)) {
        // Without its last line break a manifest says the same.
        if name == "switchyard_manifest.json" && size == whole.count - 1 { continue }
        let cut = disk.copy()
        cut.replace(second + name, by: Array(whole.prefix(size)))
        #expect(try load(cut)?.step == 1, "\(name) cut to \(size) bytes")
        #expect(try load(cut)?.notices.first?.contains(name) == true, "\(name) cut to \(size) bytes")
      }
    }
  }

  @Test("a file of another step, or another file of the same step, makes a checkpoint incomplete")
  func swappedFiles() throws {
    let disk = try begun()
    try save(step: 2, on: disk)
    let names = try disk.names(in: "run/checkpoint-2")
    for name in names where !["config.json", "generation_config.json", "tokenizer.json"].contains(name) {
      for other in names.map({ "run/checkpoint-2/" + $0 }) + ["run/checkpoint-1/" + name] {
        guard other != "run/checkpoint-2/" + name else { continue }
        let swapped = disk.copy()
        swapped.replace("run/checkpoint-2/" + name, by: try #require(disk.content(of: other)))
        let loaded = try load(swapped)
        #expect(loaded?.step == 1, "\(other) as \(name)")
        #expect(loaded?.notices.first?.contains("checkpoint-2") == true, "\(other) as \(name)")
      }
    }
  }

  @Test("a directory in a file's place is reported, and a file too many does no harm") func otherKinds() throws {
    let disk = try begun()
    try save(step: 2, on: disk)
    for name in try disk.names(in: "run/checkpoint-2") {
      let changed = disk.copy()
      try changed.removeFile("run/checkpoint-2/" + name)
      try changed.makeDirectory("run/checkpoint-2/" + name)
      #expect(try loadedStep(changed) == 1, "\(name)")
    }
    try disk.writeFile("run/checkpoint-2/notes.txt", [1])
    #expect(try loadedStep(disk) == 2)
  }

  @Test("a checkpoint that was renamed with its run, or copied, is as good") func moved() throws {
    let disk = try begun()
    try disk.makeDirectory("elsewhere")
    try disk.rename("run/checkpoint-1", to: "elsewhere/checkpoint-1")
    let source = try RunDirectory("elsewhere", files: disk).newestCheckpoint()
    #expect(source?.step == 1)
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

  @Test("a damaged checkpoint of the step to be saved is kept under another name", arguments: ["header", "data"])
  func damagedAside(part: String) throws {
    let disk = try begun()
    try save(step: 2, on: disk)
    let path = "run/checkpoint-2/model.safetensors"
    disk.flipBit(of: path, at: part == "data" ? try #require(disk.content(of: path)).count - 1 : 20)
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
