import Kernels
import LanguageModel
import Tensors
import Testing

struct ParameterInitializationTests {
  private let configuration = ModelLayoutTests.configuration(interval: 2)

  private func initialized(_ experts: Range<Int>, seed: UInt64 = 5, threads: Int = 1) -> ParameterBuffer {
    let parameters = ParameterBuffer(zeros: ModelLayout.make(configuration, hostedExperts: experts))
    parameters.initialize(configuration, seed: seed, workers: WorkerPool(threadCount: threads))
    return parameters
  }

  @Test("a parameter's first value depends on the seed alone, not on what else a rank holds")
  func independence() {
    let whole = initialized(0..<4)
    for part in [initialized(0..<1, threads: 3), initialized(2..<4)] {
      for slot in part.layout.slots { #expect(part[slot].elements == whole[slot.name].elements) }
    }
    #expect(initialized(0..<4, seed: 6).values.elements != whole.values.elements)
  }

  @Test("no two tensors begin alike, and padding stays zero")
  func differences() {
    let whole = initialized(0..<4)
    let matrices = whole.layout.slots.filter { $0.shape.rank == 2 }
    #expect(Set(matrices.map { whole[$0].elements.prefix(8) }).count == matrices.count)
    let used = whole.layout.slots.reduce(0) { $0 + $1.range.count }
    #expect(whole.values.elements.count { $0 == 0 } == whole.layout.count - used)
  }

  @Test("matrices are normal with the configured deviation, norms are one")
  func distribution() {
    var configuration = ModelConfiguration.Preset.tiny.configuration
    configuration.initializerRange = 0.05
    let parameters = ParameterBuffer(zeros: ModelLayout.make(configuration, hostedExperts: 0..<1))
    parameters.initialize(configuration, seed: 1, workers: WorkerPool(threadCount: 2))
    #expect(parameters["model.norm.weight"].elements.allSatisfy { $0 == 1 })
    let values = parameters["model.embed_tokens.weight"].elements.map { Double($0) / 0.05 }
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    let kurtosis = values.reduce(0) { $0 + $1 * $1 * $1 * $1 } / count
    #expect(abs(mean) < 0.008 && abs(variance - 1) < 0.012 && abs(kurtosis - 3) < 0.1)
    let neighbours = zip(values, values.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / count
    #expect(abs(neighbours) < 0.008)
  }
}
