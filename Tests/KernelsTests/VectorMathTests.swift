import Kernels
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct VectorMathTests {
  /// Every 61st float between two bounds of the same sign, sixteen at a time.
  private func sweep(_ low: Float, _ high: Float, _ body: (Vector) -> Void) {
    let first = min(low.bitPattern, high.bitPattern)
    let last = max(low.bitPattern, high.bitPattern)
    var x = Vector(repeating: low)
    for start in stride(from: first, through: last - 16 * 61, by: 16 * 61) {
      for lane in 0..<16 { x[lane] = Float(bitPattern: start + UInt32(lane) * 61) }
      body(x)
    }
  }

  /// The largest error in units of the last place of the true value.
  private func worstError(
    _ low: Float, _ high: Float, _ function: (Vector) -> Vector, _ truth: (Double) -> Double
  ) -> Double {
    var worst = 0.0
    sweep(low, high) { x in
      let y = function(x)
      for lane in 0..<16 {
        let exact = truth(Double(x[lane]))
        worst = max(worst, abs(Double(y[lane]) - exact) / Double(Float(exact).ulp))
      }
    }
    return worst
  }

  @Test func exponentialIsWithinItsError() {
    #expect(worstError(0x1p-30, 88.7, exponential, exp) < 1.01)
    #expect(worstError(-0x1p-30, -86.5, exponential, exp) < 1.01)
  }

  @Test func exponentialEndsInZeroAndInfinity() {
    var x = Vector(repeating: 0)
    let inputs: [Float] = [-.infinity, -1e30, -104, -86.7, 0, 88.8, 200, .infinity, .nan]
    for (lane, input) in inputs.enumerated() { x[lane] = input }
    let y = exponential(x)
    #expect((0..<4).allSatisfy { y[$0] == 0 })
    #expect(y[4] == 1)
    #expect((5..<8).allSatisfy { y[$0] == .infinity })
    #expect(y[8].isNaN)
  }

  @Test(arguments: [Float(1), -1]) func normalDistributionIsWithinItsErrors(sign: Float) {
    var worstCumulative = 0.0
    var worstDensity = 0.0
    sweep(sign * 0x1p-20, sign * 15) { x in
      let normal = NormalDistribution(x)
      for lane in 0..<16 {
        let exact = Double(x[lane])
        let cumulative = erfc(-exact / 2.0.squareRoot()) / 2
        let density = exp(-exact * exact / 2) / (2 * Double.pi).squareRoot()
        worstCumulative = max(worstCumulative, abs(Double(normal.cumulative[lane]) - cumulative))
        worstDensity = max(worstDensity, abs(Double(normal.density[lane]) - density))
      }
    }
    #expect(worstCumulative < 9e-8)
    #expect(worstDensity < 5e-8)
  }

  @Test func normalDistributionEndsInZeroAndOne() {
    #expect(NormalDistribution(Vector(repeating: -.infinity)).cumulative == Vector(repeating: 0))
    #expect(NormalDistribution(Vector(repeating: .infinity)).cumulative == Vector(repeating: 1))
    #expect(abs(NormalDistribution(Vector(repeating: 0)).cumulative[0] - 0.5) < 9e-8)
  }

  @Test func squareRootIsCorrectlyRounded() {
    // Two binades hold every case: further ones differ by a power of four.
    for (low, high) in [(Float(1), Float(4)), (0x1p-98, 0x1p-96), (0x1p100, 0x1p102)] {
      var mistakes = 0
      sweep(low, high) { x in
        let y = squareRoot(x)
        for lane in 0..<16 where y[lane] != Float(Double(x[lane]).squareRoot()) { mistakes += 1 }
      }
      #expect(mistakes == 0)
    }
    #expect(squareRoot(Vector(repeating: 0)) == Vector(repeating: 0))
    #expect(squareRoot(Vector(repeating: .infinity)) == Vector(repeating: .infinity))
  }

  @Test func logisticIsWithinItsErrorAndSaturates() {
    #expect(worstError(0x1p-20, 80, logistic) { 1 / (1 + exp(-$0)) } < 2.5)
    #expect(worstError(-0x1p-20, -80, logistic) { 1 / (1 + exp(-$0)) } < 2.5)
    #expect(logistic(Vector(repeating: 0)) == Vector(repeating: 0.5))
    #expect(logistic(Vector(repeating: 100)) == Vector(repeating: 1))
    #expect(logistic(Vector(repeating: -200)) == Vector(repeating: 0))
  }
}
