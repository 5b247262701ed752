import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct OptimizerTests {
  private let workers = WorkerPool(threadCount: 2)

  /// What `torch.optim.AdamW([w], lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)` of PyTorch 2.13 (CPU, neither fused
  /// nor foreach) makes of w = [0.5, −1.25, 2, 1e-3, −0.0375] in three steps with these gradients.
  private static let gradients: [[Float]] = [
    [0.1, -0.2, 0.3, 1e-5, 0], [-0.4, 0.25, 1e-3, -2e-5, 0], [1.5, -0.75, 0.05, 3e-5, 1e-12],
  ]
  private static let weights: [[UInt32]] = [
    [0x3efe_6320, 0xbf9f_9168, 0x3fff_8a09, 0xbb02_e52f, 0xbd19_8dce],
    [0x3eff_2932, 0xbf9f_951b, 0x3fff_3373, 0xba6d_d596, 0xbd19_8203],
    [0x3efe_54e5, 0xbf9f_54f7, 0x3ffe_e1a0, 0xbafb_e352, 0xbd19_7657],
  ]
  private static let finalFirstMoment: [UInt32] = [0x3dfa_0f91, 0xbd8c_b296, 0x3cf0_c34c, 0x3606_e38a, 0x29e1_2e13]
  private static let finalSecondMoment: [UInt32] = [0x3df6_e394, 0x3d06_c0d7, 0x3b89_2d35, 0x2e96_a91b, 0x1577_9687]

  @Test func adamWMakesPyTorchsNumbers() {
    let weights = Buffer<Float>([0.5, -1.25, 2, 1e-3, -0.0375])
    let first = Buffer<Float>(count: 5)
    let second = Buffer<Float>(count: 5)
    for (index, gradient) in Self.gradients.enumerated() {
      // Clipping is undone by gradients that are too large by the same power of two.
      adamW(
        step(index + 1, gradientScale: 0.25), weights: weights, gradients: Buffer(gradient.map { $0 * 4 }),
        firstMoment: first, secondMoment: second, workers: workers)
      expectNear(weights, Self.weights[index])
    }
    expectNear(first, Self.finalFirstMoment)
    expectNear(second, Self.finalSecondMoment)
  }

  private func step(_ number: Int, gradientScale: Float) -> AdamWStep {
    func correction(_ beta: Double) -> Float { Float(1 - (0..<number).reduce(1.0) { power, _ in power * beta }) }
    return AdamWStep(
      learningRate: 3e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, biasCorrection1: correction(0.9),
      biasCorrection2: correction(0.95), gradientScale: gradientScale)
  }

  /// Within 1e-6: PyTorch keeps the betas in double precision.
  private func expectNear(_ values: Buffer<Float>, _ bits: [UInt32], location: SourceLocation = #_sourceLocation) {
    for (value, expected) in zip(values.elements, bits.map(Float.init(bitPattern:))) {
      #expect(abs(value - expected) <= 1e-6 * abs(expected), sourceLocation: location)
    }
  }

  @Test(arguments: [0, 1, 100, 8192, 100_003])
  func sumOfSquaresIsTheSum(count: Int) {
    let values = Tensor.random(count, 1, seed: 5)
    let exact = values.elements.reduce(0.0) { $0 + Double($1) * Double($1) }
    #expect(abs(sumOfSquares(values.buffer, workers: workers) - exact) <= 1e-6 * exact)
  }
}
