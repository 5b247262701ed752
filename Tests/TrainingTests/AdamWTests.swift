import Foundation
import Kernels
import Tensors
import Testing
import Training

struct AdamWTests {
  /// A layout of two tensors whose sizes are no multiple of anything.
  private var layout: ParameterLayout {
    var layout = ParameterLayout()
    layout.add("norm", [37], isReplicated: true)
    layout.add("matrix", [13, 29], isReplicated: false)
    return layout
  }

  private func values(_ count: Int, stream: UInt64) -> [Float] {
    let random = CounterRandom(seed: 5, stream: stream)
    return (0..<count).map { random.normal(UInt64($0)) }
  }

  private func buffer(_ elements: [Float]) -> ParameterBuffer {
    let result = ParameterBuffer(zeros: layout)
    result.values.copy(from: elements)
    return result
  }

  /// The algorithm of the paper in double precision, one weight at a time.
  private struct ReferenceWeight {
    var weight: Double
    var first = 0.0
    var second = 0.0

    mutating func update(_ gradient: Double, number: Int, learningRate: Double, _ settings: AdamWSettings) {
      weight -= learningRate * settings.weightDecay * weight
      first = settings.beta1 * first + (1 - settings.beta1) * gradient
      second = settings.beta2 * second + (1 - settings.beta2) * gradient * gradient
      let mean = first / (1 - pow(settings.beta1, Double(number)))
      let square = second / (1 - pow(settings.beta2, Double(number)))
      weight -= learningRate * mean / (square.squareRoot() + settings.epsilon)
    }
  }

  @Test("updates follow the paper's algorithm, every parameter decays", arguments: [0.95, 0.999], [1, 3])
  func followsThePaper(beta2: Double, threads: Int) {
    var settings = AdamWSettings()
    settings.beta2 = beta2
    let count = layout.count
    let optimizer = AdamW(settings, layout: layout)
    let start = values(count, stream: 0)
    let weights = buffer(start)
    var reference = start.map { ReferenceWeight(weight: Double($0)) }
    let workers = WorkerPool(threadCount: threads)
    for number in 1...30 {
      let gradient = values(count, stream: UInt64(number))
      optimizer.update(
        weights, gradients: buffer(gradient), number: number, learningRate: 1e-2, gradientScale: 0.5, workers: workers)
      for index in 0..<count {
        reference[index].update(0.5 * Double(gradient[index]), number: number, learningRate: 1e-2, settings)
      }
    }
    for index in 0..<count {
      #expect(abs(Double(weights.values[index]) - reference[index].weight) < 1e-5)
      #expect(abs(Double(optimizer.firstMoment.values[index]) - reference[index].first) < 1e-6)
      #expect(abs(Double(optimizer.secondMoment.values[index]) - reference[index].second) < 1e-6)
    }
  }

  @Test func aParameterWithoutGradientOnlyDecays() {
    let weights = buffer([Float](repeating: 2, count: layout.count))
    let optimizer = AdamW(AdamWSettings(), layout: layout)
    optimizer.update(
      weights, gradients: ParameterBuffer(zeros: layout), number: 1, learningRate: 0.1, gradientScale: 1,
      workers: WorkerPool(threadCount: 1))
    #expect(weights.values.elements.allSatisfy { abs($0 - 2 * (1 - 0.1 * 0.1)) < 1e-6 })
  }

  @Test func theFirstUpdateMovesEveryWeightByTheLearningRate() {
    let gradient = values(layout.count, stream: 9)
    let weights = ParameterBuffer(zeros: layout)
    AdamW(AdamWSettings(), layout: layout).update(
      weights, gradients: buffer(gradient), number: 1, learningRate: 0.01, gradientScale: 1,
      workers: WorkerPool(threadCount: 1))
    for (weight, slope) in zip(weights.values.elements, gradient) {
      #expect(abs(weight + (slope > 0 ? 0.01 : -0.01)) < 1e-6)
    }
  }

  @Test func threadsDoNotChangeABit() {
    let results = [1, 2, 4].map { threads in
      let weights = buffer(values(layout.count, stream: 1))
      let optimizer = AdamW(AdamWSettings(), layout: layout)
      let workers = WorkerPool(threadCount: threads)
      for number in 1...3 {
        optimizer.update(
          weights, gradients: buffer(values(layout.count, stream: UInt64(number))), number: number, learningRate: 0.01,
          gradientScale: 1, workers: workers)
      }
      return weights.values.elements.map(\.bitPattern)
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }
}
