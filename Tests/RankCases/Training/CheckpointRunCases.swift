import Checkpoints
import Communication
import Foundation
package import TestSupport
import Topology
import Training

/// Runs whose checkpoints cannot be saved, are damaged, come from another number of ranks, or belong to another job.
package let checkpointRunCases: [RankCase] = [
  RankCase("checkpoints: one that cannot be saved is a warning, and training goes on") { context in
    try RunFolder.with(context) { folder in
      let whole = try RunLog(smallRequest(folder, output: "whole"), over: context.world)
      for (operation, errno) in [(FileOperation.write, ENOSPC), (.sync, EIO), (.rename, EDQUOT)] {
        var request = smallRequest(folder, output: "run \(operation)")
        request.files = FaultyFiles { $0 == operation && $1.contains("checkpoint-4") ? errno : nil }
        let run = try RunLog(request, over: context.world)
        context.expectEqual(run.checkpoints.map(lastComponent), ["checkpoint-2", "checkpoint-6"])
        context.expectEqual(run.warnings.count, 1)
        context.expect(
          run.warnings.allSatisfy { $0.contains("step 4 was not saved") && $0.contains("(errno \(errno))") },
          "\(run.warnings)")
        context.expect(run.weights == whole.weights, "the weights differ")
      }
    }
  },

  RankCase("checkpoints: if the last one cannot be saved, all ranks end with that refusal") { context in
    try RunFolder.with(context) { folder in
      let request = smallRequest(folder, output: "run")
      try expectRefusal(of: request, mentions: "(errno \(ENOSPC))", context) {
        $0.files = FaultyFiles { $0 == .write && $1.contains("checkpoint-6") ? ENOSPC : nil }
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: request.output).sorted()
      context.expectEqual(names, ["checkpoint-2", "checkpoint-4", "metrics.jsonl"])
    }
  },

  RankCase("checkpoints: a damaged one is passed over, and the run ends as if it were not there", ranks: [1, 3]) {
    context in
    try RunFolder.with(context) { folder in
      let whole = try RunLog(smallRequest(folder, output: "whole"), over: context.world)
      for file in ["model.safetensors", "optimizer.safetensors", "trainer_state.json"] {
        var request = smallRequest(folder, output: "damaged \(file)")
        request.options.stopAfter = 4
        _ = try RunLog(request, over: context.world)
        try folder.change(context) { try flipLastByte(of: request.output + "/checkpoint-4/" + file) }
        request.resumes = true
        request.options = TrainingOptions()
        let run = try RunLog(request, over: context.world)
        context.expectEqual(run.plan.completedSteps, 2)
        context.expect(
          run.warnings.contains { $0.contains("passed over") && $0.contains("checkpoint-4/\(file)") }, "\(run.warnings)"
        )
        context.expect(run.weights == whole.weights, "the weights differ")
      }
    }
  },

  RankCase("checkpoints: a run whose only one is damaged is refused and left alone", ranks: [1, 3]) { context in
    try RunFolder.with(context) { folder in
      var request = smallRequest(folder, output: "run")
      request.options.stopAfter = 1
      _ = try RunLog(request, over: context.world)
      try folder.change(context) { try flipLastByte(of: request.output + "/checkpoint-1/optimizer.safetensors") }
      request.resumes = true
      try expectRefusal(of: request, mentions: "there is no earlier complete checkpoint", context) { _ in }
    }
  },

  RankCase("checkpoints: those that are too many go", ranks: [1, 2]) { context in
    try RunFolder.with(context) { folder in
      var request = smallRequest(folder, output: "run")
      request.keptCheckpoints = 2
      let run = try RunLog(request, over: context.world)
      context.expectEqual(run.checkpoints.map(lastComponent), ["checkpoint-2", "checkpoint-4", "checkpoint-6"])
      // Rank 0 gives its lock back when its own run returns, which may be after this rank's.
      try context.world.barrier()
      context.expectEqual(
        try FileManager.default.contentsOfDirectory(atPath: request.output).sorted(),
        ["checkpoint-4", "checkpoint-6", "metrics.jsonl"])
    }
  },

  RankCase("checkpoints: a second job in the same directory is refused on all ranks", ranks: [1, 3]) { context in
    try RunFolder.with(context) { folder in
      var request = smallRequest(folder, output: "run")
      let first = try TrainingPlan(request, over: context.world)
      request.resumes = true
      try expectRefusal(of: request, mentions: "another job writes there (process ", context) { _ in }
      withExtendedLifetime(first) {}
    }
  },

  // The checkpoint of each number of ranks is made by threads of rank 0, so that any number can follow it.
  RankCase(
    "checkpoints: those of any number of ranks go on on this number, the same every time", ranks: [1, 2, 3, 4, 6],
    limit: .seconds(180)
  ) { context in
    try RunFolder.with(context) { folder in
      for (ranks, size) in [(1, 1), (2, 2), (3, 1), (4, 2), (6, 3), (8, 8)] {
        var request = smallRequest(folder, output: "from \(ranks)")
        request.options.stopAfter = 3
        try folder.change(context) {
          try LoopbackFabric.run(ranks: ranks) { [request] world in
            _ = try RunLog(request, over: world, expertParallelSize: size)
          }
        }
        let copies = try ["a", "b"].map { name in
          let copy = request.output + name
          try folder.change(context) { try FileManager.default.copyItem(atPath: request.output, toPath: copy) }
          return copy
        }
        let ends = try copies.map { copy in
          var again = request
          again.output = copy
          again.resumes = true
          again.options = TrainingOptions()
          return try RunLog(again, over: context.world, expertParallelSize: expertParallelSize(context.world.size))
        }
        context.expectEqual(ends.map(\.plan.completedSteps), [3, 3])
        context.expect(ends[0].weights == ends[1].weights, "from \(ranks) ranks: the weights differ between two runs")
        context.expectEqual(ends[0].metrics.map(\.loss), ends[1].metrics.map(\.loss))
        try expectUnchangedStart(ends[0], folder, ranks, context)
      }
    }
  },
]

/// An expert-parallel size for this many ranks that is neither one nor all of them, where there is one.
private func expertParallelSize(_ ranks: Int) -> Int { [4: 2, 6: 3][ranks] ?? ranks }

/// The first step after the change of ranks has the loss that it had on as many ranks as the checkpoint came from, but for the
/// order in which ranks are added up.
private func expectUnchangedStart(_ run: RunLog, _ folder: RunFolder, _ ranks: Int, _ context: RankContext) throws {
  guard context.rank == 0, let step = run.metrics.first else { return }
  var request = smallRequest(folder, output: "alone \(ranks)")
  request.options.stopAfter = 4
  let losses = try LoopbackFabric.run(ranks: 1) { [request] in try RunLog(request, over: $0).metrics.map(\.loss) }[0]
  context.expect(
    abs(step.loss - losses[3]) < 1e-4 * losses[3], "from \(ranks) ranks: \(step.loss) instead of \(losses[3])")
}

private func flipLastByte(of path: String) throws {
  var content = try Data(contentsOf: URL(fileURLWithPath: path))
  content[content.count - 1] ^= 1
  try content.write(to: URL(fileURLWithPath: path))
}
