import Checkpoints
import Communication
import LanguageModel
import Tensors
import Testing
import Topology

@Suite("Checkpoints of several ranks")
struct CheckpointTests {
  private let model = SmallModel()

  /// Ranks and expert-parallel size of the save, then of the load.
  static let changes = [
    (1, 1, 1, 1), (1, 1, 4, 2), (2, 2, 2, 2), (2, 2, 1, 1), (3, 3, 2, 1), (3, 3, 4, 2), (4, 2, 3, 3), (4, 1, 2, 2),
    (2, 1, 3, 1),
  ]

  @Test("are loaded to the last bit at any number of ranks", arguments: changes)
  func ranks(saveRanks: Int, saveSize: Int, loadRanks: Int, loadSize: Int) throws {
    let disk = SimulatedDisk(directory: "run")
    let run = RunDirectory("run", files: disk)
    try LoopbackFabric.run(ranks: saveRanks) { communicator in
      try model.save(step: 5, in: run, over: communicator, expertParallelSize: saveSize)
    }
    let loaded = try LoopbackFabric.run(ranks: loadRanks) { communicator in
      let source = try #require(try ModelSource.newestCheckpoint(in: run, communicator: communicator))
      #expect(source.isVisibleHere)
      return try model.isLoaded(source, step: 5, over: communicator, expertParallelSize: loadSize)
    }
    #expect(loaded.allSatisfy { $0 })
  }

  @Test("have the same bytes whatever the number of ranks", arguments: [(2, 1), (3, 3), (4, 2)])
  func bytes(ranks: Int, size: Int) throws {
    func save(ranks: Int, size: Int) throws -> SimulatedDisk {
      let disk = SimulatedDisk(directory: "run")
      try LoopbackFabric.run(ranks: ranks) { communicator in
        try model.save(
          step: 5, in: RunDirectory("run", files: disk), over: communicator, expertParallelSize: size)
      }
      return disk
    }
    let one = try save(ranks: 1, size: 1)
    let many = try save(ranks: ranks, size: size)
    let names = try one.names(in: "run/checkpoint-5")
    #expect(try many.names(in: "run/checkpoint-5") == names)
    for name in names {
      #expect(one.content(of: "run/checkpoint-5/" + name) == many.content(of: "run/checkpoint-5/" + name), "\(name)")
    }
  }

  @Test("reach ranks that do not see the files", arguments: [[1], [2], [1, 3], [1, 2, 3]])
  func blindRanks(blind: [Int]) throws {
    let disk = SimulatedDisk(directory: "run")
    try LoopbackFabric.run(ranks: 4) { communicator in
      try model.save(step: 5, in: RunDirectory("run", files: disk), over: communicator, expertParallelSize: 2)
    }
    let loaded = try LoopbackFabric.run(ranks: 4) { communicator in
      let isBlind = blind.contains(communicator.rank.index)
      let run = RunDirectory("run", files: isBlind ? SimulatedDisk(directory: "elsewhere") : disk)
      let source = try #require(try ModelSource.newestCheckpoint(in: run, communicator: communicator))
      #expect(source.isVisibleHere == !isBlind)
      return try model.isLoaded(source, step: 5, over: communicator, expertParallelSize: 2)
    }
    #expect(loaded.allSatisfy { $0 })
  }

  @Test("of rank 0 count where another rank finds other files under the same names") func otherFiles() throws {
    let disks = [SimulatedDisk(directory: "run"), SimulatedDisk(directory: "run")]
    for (disk, step) in zip(disks, [5, 6]) {
      try LoopbackFabric.run(ranks: 1) { communicator in
        try model.save(step: step, in: RunDirectory("run", files: disk), over: communicator, expertParallelSize: 1)
      }
    }
    try disks[1].rename("run/checkpoint-6", to: "run/checkpoint-5")
    let loaded = try LoopbackFabric.run(ranks: 2) { communicator in
      let run = RunDirectory("run", files: disks[communicator.rank.index])
      let source = try #require(try ModelSource.newestCheckpoint(in: run, communicator: communicator))
      return try model.isLoaded(source, step: 5, over: communicator, expertParallelSize: 2)
    }
    #expect(loaded == [true, true])
  }

  @Test("may be divided into several files") func shards() throws {
    let disk = SimulatedDisk(directory: "run")
    let run = RunDirectory("run", files: disk)
    let loaded = try LoopbackFabric.run(ranks: 2) { communicator in
      try model.save(step: 5, in: run, over: communicator, expertParallelSize: 2, largestShard: 1000)
      let source = try #require(try ModelSource.newestCheckpoint(in: run, communicator: communicator))
      return try model.isLoaded(source, step: 5, over: communicator, expertParallelSize: 2)
    }
    #expect(loaded == [true, true])
    let names = try disk.names(in: "run/checkpoint-5")
    #expect(names.contains("model.safetensors.index.json"))
    #expect(names.contains { $0.hasPrefix("model-00002-of-000") })
    #expect(!names.contains("model.safetensors"))
  }

  @Test("stream tensors larger than a piece") func largeTensors() throws {
    var large = SmallModel()
    large.configuration = ModelConfiguration(
      vocabularySize: 1030, hiddenSize: 1024, intermediateSize: 1100, layerCount: 1, headCount: 2,
      keyValueHeadCount: 1, headSize: 4, expertCount: 2, expertsPerToken: 1, maximumPositions: 32)
    let model = large
    let disk = SimulatedDisk(directory: "run")
    let loaded = try LoopbackFabric.run(ranks: 2) { communicator in
      try model.save(step: 5, in: RunDirectory("run", files: disk), over: communicator, expertParallelSize: 2)
      let files = communicator.rank == Rank(0) ? disk : SimulatedDisk(directory: "elsewhere")
      let run = RunDirectory("run", files: files)
      let source = try #require(try ModelSource.newestCheckpoint(in: run, communicator: communicator))
      return try model.isLoaded(source, step: 5, over: communicator, expertParallelSize: 2)
    }
    #expect(loaded == [true, true])
  }

  @Test("are models too, found by their run or by name") func models() throws {
    let disk = SimulatedDisk(directory: "run")
    let run = RunDirectory("run", files: disk)
    try LoopbackFabric.run(ranks: 2) { communicator in
      for step in [5, 10, 9] { try model.save(step: step, in: run, over: communicator, expertParallelSize: 2) }
      for (path, step) in [("run", 10), ("run/checkpoint-5", 5)] {
        let source = try ModelSource.model(path, communicator: communicator, files: disk)
        #expect(source.configuration == model.configuration)
        #expect(source.trainerState == nil)
        let layout = model.layout(rank: communicator.rank.index, expertParallelSize: 2)
        let weights = ParameterBuffer(zeros: layout)
        try source.loadWeights(into: weights)
        #expect(weights.values.elements == model.values(layout, seed: 3 * step).values.elements)
      }
    }
  }

  @Test("of a step that is complete already are left as they are") func repeatedStep() throws {
    let disk = SimulatedDisk(directory: "run")
    let run = RunDirectory("run", files: disk)
    try LoopbackFabric.run(ranks: 2) { communicator in
      try model.save(step: 5, in: run, over: communicator, expertParallelSize: 2)
      disk.setRule(nil)
      try communicator.barrier()
      try model.save(step: 5, in: run, over: communicator, expertParallelSize: 2)
    }
    #expect(try disk.names(in: "run") == ["checkpoint-5"])
  }

  @Test("do not keep waiting ranks waiting too long") func patience() throws {
    let disk = SimulatedDisk(directory: "run")
    disk.setRule { _, operation, _ in operation == .write ? .delay(.milliseconds(40)) : .proceed }
    let run = RunDirectory("run", files: disk)
    try LoopbackFabric.run(ranks: 3, waitLimit: .seconds(1)) { communicator in
      try model.save(step: 5, in: run, over: communicator, expertParallelSize: 1)
    }
    #expect(try run.newestCheckpoint()?.step == 5)
  }
}
