import Checkpoints
import Communication
import Glibc
import Tensors
import Testing
import Topology

@Suite("Retention of checkpoints")
struct RetentionTests {
  private let model = SmallModel(layerCount: 1)

  private func save(_ step: Int, keeping: Int?, on disk: SimulatedDisk) throws {
    try LoopbackFabric.run(ranks: 1) { communicator in
      try model.save(
        step: step, in: RunDirectory("run", files: disk), over: communicator, expertParallelSize: 1, keeping: keeping)
    }
  }

  private func steps(_ disk: SimulatedDisk) throws -> [String] { try disk.names(in: "run") }

  @Test("keeps the newest, or all") func newest() throws {
    let disk = SimulatedDisk(directory: "run")
    for step in [2, 4, 6, 8] { try save(step, keeping: nil, on: disk) }
    #expect(try steps(disk).count == 4)
    try save(10, keeping: 3, on: disk)
    #expect(try steps(disk) == ["checkpoint-10", "checkpoint-6", "checkpoint-8"])
    try save(12, keeping: 1, on: disk)
    #expect(try steps(disk) == ["checkpoint-12"])
  }

  @Test("does not count a damaged one, nor one that is newer than what was saved") func damaged() throws {
    let disk = SimulatedDisk(directory: "run")
    for step in [2, 4, 6] { try save(step, keeping: nil, on: disk) }
    try disk.removeFile("run/checkpoint-4/config.json")
    try disk.removeFile("run/checkpoint-6/config.json")
    try save(5, keeping: 2, on: disk)
    #expect(try steps(disk) == ["checkpoint-2", "checkpoint-4", "checkpoint-5", "checkpoint-6"])
  }

  @Test("leaves a checkpoint to go on from wherever a save or a removal crashes") func crashes() throws {
    let begun = SimulatedDisk(directory: "run")
    for step in [1, 2] { try save(step, keeping: nil, on: begun) }
    begun.settle()
    var (crash, isDone) = (0, false)
    while !isDone {
      let disk = begun.copy()
      let crashing = crash
      disk.setRule { index, _, _ in index == crashing ? .crash : .proceed }
      isDone = (try? save(3, keeping: 1, on: disk)) != nil && disk.operationCount <= crash
      for survival in [SimulatedDisk.Survival.nothing, .everything, .chance(seed: UInt64(crash))] {
        let survivor = disk.copy()
        survivor.restart(keeping: survival)
        let newest = try #require(try RunDirectory("run", files: survivor).newestCheckpoint(), "operation \(crash)")
        #expect(newest.step == 3 || newest.step == 2, "operation \(crash)")
        try save(4, keeping: 1, on: survivor)
        #expect(try steps(survivor) == ["checkpoint-4"], "operation \(crash)")
      }
      crash += 1
    }
    #expect(crash > 40)
  }

  @Test("that fails is a warning: the checkpoint is there") func failure() throws {
    let disk = SimulatedDisk(directory: "run")
    try save(1, keeping: 1, on: disk)
    disk.setRule { _, operation, _ in operation == .remove ? .fail(errno: EIO) : .proceed }
    let failure = #expect(throws: LoopbackFailure.self) { try save(2, keeping: 1, on: disk) }
    let warning = failure?.errors.first?.error as? SaveWarning
    #expect(warning?.text.contains("could not be removed") == true, "\(failure as Any)")
    #expect(try RunDirectory("run", files: disk).newestCheckpoint()?.step == 2)
  }

  private static func emptyManifest(_ step: Int) -> String { #"{"version": 1, "step": \#(step), "files": {}}"# }

  /// What a checkpoint consists of does not matter to what is kept, so here each is a manifest of no files.
  @Test("never removes the only valid one, in 10,000 random schedules") func schedules() throws {
    for schedule in 0..<10_000 {
      let random = CounterRandom(seed: UInt64(schedule), stream: "retention")
      let disk = SimulatedDisk(directory: "run")
      var valid: Set<Int> = []
      var step = 0
      for event in 0..<6 {
        step += 1 + random.index(UInt64(4 * event), below: 3)
        let folder = "run/checkpoint-\(step)"
        try disk.makeDirectory(folder)
        try disk.writeFile(folder + "/switchyard_manifest.json", Array(Self.emptyManifest(step).utf8))
        valid.insert(step)
        let old = valid.subtracting([step])
        if random.uniform(UInt64(4 * event + 1)) < 0.4, let victim = old.randomElement(random, event) {
          disk.replace("run/checkpoint-\(victim)/switchyard_manifest.json", by: [])
          valid.remove(victim)
        }
        let keeping = 1 + random.index(UInt64(4 * event + 2), below: 3)
        let before = valid.sorted(by: >)
        try RunDirectory("run", files: disk).removeCheckpoints(before: step, keeping: keeping - 1)
        let left = try Set(disk.names(in: "run").compactMap { Int($0.dropFirst("checkpoint-".count)) })
        valid.formIntersection(left)
        #expect(valid == Set(before.prefix(keeping)), "schedule \(schedule), step \(step), keeping \(keeping)")
      }
    }
  }
}

extension Collection where Element == Int {
  /// One of the elements, chosen by a number of a random sequence.
  fileprivate func randomElement(_ random: CounterRandom, _ event: Int) -> Int? {
    isEmpty ? nil : sorted()[random.index(UInt64(4 * event + 3), below: count)]
  }
}
