import Communication
import Foundation
package import TestSupport
import Training

/// Whole runs: text to checkpoints, stopped, resumed, refused.
package let trainingRunCases: [RankCase] = [
  RankCase("training run: stopped and resumed is the same as uninterrupted, bit for bit") { context in
    try RunFolder.with(context) { folder in
      var request = smallRequest(folder, output: "whole")
      let whole = try RunLog(request, over: context.world)
      request.output = folder.output("parts")
      request.options.stopAfter = 3
      let first = try RunLog(request, over: context.world)
      context.expectEqual(first.checkpoints.map(lastComponent), ["checkpoint-2", "checkpoint-3"])
      request.resumes = true
      request.options = TrainingOptions()
      let second = try RunLog(request, over: context.world)
      context.expectEqual(second.plan.completedSteps, 3)
      context.expectEqual(second.metrics.map(\.step), [4, 5, 6])
      context.expect(second.weights == whole.weights, "the weights differ")
      context.expectEqual(
        try RunLog.timelessLines(folder.output("parts/metrics.jsonl")),
        try RunLog.timelessLines(folder.output("whole/metrics.jsonl")))
    }
  },

  RankCase("training run: after a crash, the steps since the last checkpoint are repeated", ranks: [1, 2]) { context in
    try RunFolder.with(context) { folder in
      var request = smallRequest(folder, output: "run")
      request.options.stopAfter = 3
      _ = try RunLog(request, over: context.world)
      let before = try RunLog.timelessLines(request.output + "/metrics.jsonl")
      try folder.change(context) { try FileManager.default.removeItem(atPath: request.output + "/checkpoint-3") }
      request.resumes = true
      let again = try RunLog(request, over: context.world)
      context.expectEqual(again.plan.completedSteps, 2)
      context.expectEqual(try RunLog.timelessLines(request.output + "/metrics.jsonl"), before)
    }
  },

  RankCase("training run: goes on on another number of ranks", ranks: [2, 4]) { context in
    try RunFolder.with(context) { folder in
      var request = smallRequest(folder, output: "run")
      let whole = try RunLog(request, over: context.world)
      request.output = folder.output("moved")
      request.options.stopAfter = 3
      _ = try RunLog(request, over: context.world)
      request.resumes = true
      request.options.stopAfter = nil
      guard context.rank == 0 else { return }
      let alone = try LoopbackFabric.run(ranks: 1) { [request] in try RunLog(request, over: $0).metrics }[0]
      for (one, other) in zip(alone, whole.metrics.dropFirst(3)) {
        context.expect(
          abs(one.loss - other.loss) < 1e-4 * other.loss, "step \(one.step): \(one.loss) instead of \(other.loss)")
      }
    }
  },

  RankCase("training run: the held-out text is evaluated, and its loss falls") { context in
    try RunFolder.with(context) { folder in
      var request = smallRequest(folder, output: "run")
      request.options.steps = 12
      request.options.evaluateEvery = 5
      let losses = try RunLog(request, over: context.world).metrics.compactMap { metrics in
        metrics.heldOutLoss.map { (step: metrics.step, loss: $0) }
      }
      context.expectEqual(losses.map(\.step), [5, 10, 12])
      guard let first = losses.first, let last = losses.last else { return }
      context.expect(last.loss < first.loss, "\(losses)")
    }
  },

  RankCase("training run: another text, seed or batch than the checkpoint's is refused", ranks: [2]) { context in
    try RunFolder.with(context) { folder in
      var request = smallRequest(folder, output: "run")
      request.options.stopAfter = 1
      _ = try RunLog(request, over: context.world)
      request.resumes = true
      request.options.stopAfter = nil
      try expectRefusal(of: request, mentions: "--seed", context) { $0.options.seed = 99 }
      try expectRefusal(of: request, mentions: "--batch-tokens", context) { $0.options.batchTokens = 256 }
      try expectRefusal(of: request, mentions: "--experts", context) { $0.experts = 4 }
      try folder.change(context) {
        try RunFolder.text(sentenceCount: 700).write(toFile: folder.text, atomically: true, encoding: .utf8)
      }
      try expectRefusal(of: request, mentions: "--corpus", context) { _ in }
    }
  },

  RankCase("training run: what cannot be is refused on all ranks and leaves files as they are", ranks: [1, 3]) {
    context in
    try RunFolder.with(context) { folder in
      let request = smallRequest(folder, output: "run")
      try expectRefusal(of: request, mentions: "/nowhere", context) { $0.corpus = ["/nowhere"] }
      try expectRefusal(of: request, mentions: "--steps", context) {
        $0.corpus = ["/nowhere"]
        $0.options.steps = 0
      }
      try expectRefusal(of: request, mentions: "experts", context) { $0.expertsPerToken = 9 }
      try expectRefusal(of: request, mentions: "--sequence-length", context) { $0.options.sequenceLength = 4096 }
      try expectRefusal(of: request, mentions: "--balance-loss", context) { $0.balanceLoss = -1 }
      try expectRefusal(of: request, mentions: "token ids", context) { $0.corpus.append("/somewhere/ids.safetensors") }
      try expectRefusal(of: request, mentions: "not empty", context) { $0.output = folder.path }
      try expectRefusal(of: request, mentions: "training text", context) { $0.corpus = [folder.path + "/short.txt"] }
      context.expect(FileManager.default.fileExists(atPath: folder.text), "the text is gone")
    }
  },
]

/// Six steps of a small model, two micro-batches each, with a checkpoint every second one.
func smallRequest(_ folder: RunFolder, output: String) -> TrainingRequest {
  var request = TrainingRequest(corpus: [folder.text], output: folder.output(output))
  request.vocabularySize = 300
  request.options.steps = 6
  request.options.sequenceLength = 32
  request.options.batchTokens = 32 * 4
  request.options.microBatchTokens = 32 * 3
  request.options.learningRate = 3e-3
  request.options.checkpointEvery = 2
  request.options.seed = 5
  return request
}

func lastComponent(_ path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }

/// All ranks are refused alike, in one line that mentions what is wrong.
func expectRefusal(
  of request: TrainingRequest, mentions text: String, _ context: RankContext, line: UInt = #line,
  _ change: (inout TrainingRequest) -> Void
) throws {
  var request = request
  change(&request)
  let refusal = context.expectError(Refusal.self, line: line) { _ = try RunLog(request, over: context.world) }
  let message = refusal?.message ?? ""
  context.expect(message.contains(text) && !message.contains("\n"), "\(text) is not in: \(message)", line: line)
  let all = try context.world.allGatherBytes(Array(message.utf8))
  context.expect(all.allSatisfy { $0 == all[0] }, "ranks say different things", line: line)
}
