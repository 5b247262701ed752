import Communication
import LanguageModel
import Planning
import Tensors
package import TestSupport

/// What Training relies on in a forward and backward pass.
package let trainingPassCases: [RankCase] = [
  RankCase("model: gradients are reported once each, replicated ones from the end to the start") { context in
    let scenario = ModelScenario("reports") { $0.layerCount = 3 }
    let model = try RankModel(scenario.configuration, over: context.world) { scenario.initialize($0) }
    var reported: [Range<Int>] = []
    try model.train(scenario.sequences, targets: scenario.targets, balance: 0.1) { reported.append($0) }
    let layout = model.gradients.layout
    var end = layout.replicatedCount
    for range in reported where range.lowerBound < layout.replicatedCount {
      context.expectEqual(range.upperBound, end)
      end = range.lowerBound
    }
    context.expectEqual(end, 0)
    for slot in layout.slots {
      let covering = reported.count { $0.lowerBound <= slot.range.lowerBound && $0.upperBound >= slot.range.upperBound }
      context.expectEqual(covering, 1, slot.name)
    }
  },

  RankCase("model: a reported gradient does not change any more") { context in
    let scenario = ModelScenario("final", capacity: .limited(factor: 0.7)) {
      $0.layerCount = 3
      $0.tiesEmbeddings = true
    }
    let model = try RankModel(scenario.configuration, over: context.world) { scenario.initialize($0) }
    let gradients = model.gradients
    var reported: [(range: Range<Int>, values: [Float])] = []
    try model.pass(scenario.sequences, targets: scenario.targets, balance: 0.1, capacity: scenario.capacity) {
      reported.append(($0, gradients.values[$0].elements))
    }
    for (range, values) in reported { context.expect(gradients.values[range].elements == values, "\(range)") }
  },

  RankCase("model: gradients add up over micro-batches, with one scale for the whole batch") { context in
    let scenario = ModelScenario("micro-batches")
    let model = try RankModel(scenario.configuration, over: context.world) { scenario.initialize($0) }
    try model.train(scenario.sequences, targets: scenario.targets, balance: 0)
    let whole = model.gradients.values.elements
    model.spoilGradients()
    let predicted = scenario.targets.joined().count { $0 >= 0 }
    for index in scenario.sequences.indices {
      try model.pass(
        [scenario.sequences[index]], targets: [scenario.targets[index]], balance: 0, capacity: .dropless,
        predictedCount: predicted, isAccumulating: index > 0)
    }
    try model.reduceGradients()
    let scale = whole.reduce(0) { max($0, abs($1)) }
    let error = zip(model.gradients.values.elements, whole).reduce(0) { max($0, abs($1.0 - $1.1)) }
    context.expect(error < 1e-6 * scale, "off by \(error) of \(scale)")
  },

  // Under `mpirun` a rank is a process, so what it allocates is its own.
  RankCase("model: a steady step takes no memory", ranks: [1, 2]) { context in
    let scenario = ModelScenario("steady", sequenceLength: 16) { $0.layerCount = 3 }
    let model = try RankModel(scenario.configuration, over: context.world) { scenario.initialize($0) }
    let step = try model.steadyStep(scenario.sequences, targets: scenario.targets)
    for _ in 0..<2 { try step() }
    let before = (Memory.allocationCount, model.runtime.workspace.growthCount, model.runtime.workspace.peakByteCount)
    for _ in 0..<3 { try step() }
    let after = (Memory.allocationCount, model.runtime.workspace.growthCount, model.runtime.workspace.peakByteCount)
    context.expect(before == after, "\(before) became \(after)")
  },

  RankCase("model: a job in which no rank has a sequence computes nothing and fails nowhere", ranks: [1, 3]) {
    context in
    let scenario = ModelScenario("nothing")
    let model = try RankModel(scenario.configuration, over: context.world) { scenario.initialize($0) }
    model.spoilGradients()
    try model.pass([], targets: [], balance: 0.1, capacity: .dropless, predictedCount: 1)
    context.expect(model.gradients.values.elements.allSatisfy { $0 == 0 })
  },
]
