package import Tensors

/// Whether no value is infinite or no number: 0 · x is 0 for all others.
package func areFinite(_ values: Buffer<Float>) -> Bool {
  var sum: Float = 0
  for index in 0..<values.count { sum += values[index] * 0 }
  return sum == 0
}
