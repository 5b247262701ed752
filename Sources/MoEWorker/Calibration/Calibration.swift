import Communication
import Foundation
import Kernels
import Planning
import Tensors
import Topology

extension Worker {
  /// What this machine can do, the same on every rank: kept from an earlier run on the same hosts with the same build, or
  /// measured now, which takes less than a second. Every rank calls it.
  func machineModel(_ workers: WorkerPool, _ options: CalibrationOptions) throws -> MachineModel {
    let key = try CalibrationKey(self, workers)
    let path = options.calibration ?? CalibrationOptions.cacheFolder.map { "\($0)/calibration-\(key.hostsDigest).json" }
    if !options.calibrate, let kept = try keptModel(path, key, isGiven: options.calibration != nil) {
      if try options.calibration != nil || linksAreStill(as: kept) { return kept }
    }
    let measured = try measureMachine(workers)
    // A file that the user named is replaced only when asked to.
    if console.isSpeaker, let path, options.calibrate || options.calibration == nil {
      do { try CalibrationFile(measured, key: key).write(to: path) } catch {
        warn("the calibration is not kept: \(Refusal(error).message)")
      }
    }
    return measured
  }

  /// The model of a file that rank 0 can use; nil, with a warning, when it is of something else or no calibration.
  private func keptModel(_ path: String?, _ key: CalibrationKey, isGiven: Bool) throws -> MachineModel? {
    let model: MachineModel? = try world.agree {
      guard console.isSpeaker, let path else { return nil }
      do {
        let file = try CalibrationFile(reading: path)
        if file.key == key { return file.machine }
        let difference = file.key.hosts == key.hosts ? "another build" : "other hosts, ranks or threads"
        warn("\(path) is a calibration of \(difference): calibrating again")
      } catch {
        let refusal = Refusal(error)
        if refusal.kind != .missingInput { warn("\(refusal.message): calibrating again") }
        if refusal.kind == .missingInput && isGiven { throw refusal }
      }
      return nil
    }
    return try broadcast(model)
  }

  /// Whether hosts still exchange about as much as was measured: a network changes without any name changing.
  private func linksAreStill(as model: MachineModel) throws -> Bool {
    guard let now = try LinkProbe(.otherHost, hosts: hostMap, over: world).bytesPerSecond() else { return true }
    let then = model.otherHost.bytesPerSecond
    guard max(now / then, then / now) > 1.5 else { return true }
    warn(
      "hosts exchange \(Int(now / 1e6)) MB/s and not \(Int(then / 1e6)) MB/s as when calibrated: calibrating again")
    return false
  }

  private func measureMachine(_ workers: WorkerPool) throws -> MachineModel {
    let probe = RateProbe(over: world, workers)
    let rates = try measureRates(probe)
    let sameHost = try LinkProbe(.sameHost, hosts: hostMap, over: world).measure()
    let otherHost = try measureOtherHost(probe)
    // Where there are no two ranks of a class, the other class stands in; a rank alone moves its own memory.
    let alone = LinkCost(latencySeconds: 1e-6, bytesPerSecond: rates.copyBytesPerSecond / 2)
    let points = zip(RateProbe.rowCounts, rates.flopsPerSecond).map {
      MatmulRate.Point(rows: $0, flopsPerSecond: $1)
    }
    let model = MachineModel(
      sameHost: sameHost ?? otherHost ?? alone, otherHost: otherHost ?? sameHost ?? alone,
      matmul: MatmulRate(points: points), copyBytesPerSecond: rates.copyBytesPerSecond,
      soloSpeedup: world.size > 1 ? try probe.soloSpeedup() : 1)
    guard let table = try broadcast(model) else {
      throw Refusal(.internalError, "internal error: the calibration was lost on its way")
    }
    return table
  }

  /// Between hosts, what messages take of ranks that compute counts as well.
  private func measureOtherHost(_ probe: RateProbe) throws -> LinkCost? {
    let links = LinkProbe(.otherHost, hosts: hostMap, over: world)
    guard var cost = try links.measure() else { return nil }
    let product = try Stopwatch.slowest(over: world) { probe.compute(count: 8) } / 8
    cost.byteSeconds = try links.byteSeconds(cost, beside: { probe.compute(count: 1) }, productSeconds: product)
    return cost
  }

  private func measureRates(_ probe: RateProbe) throws -> RateMeasurement {
    let own = try JSONEncoder().encode(probe.measure())
    let all = try world.allGatherBytes(Array(own)).map {
      try JSONDecoder().decode(RateMeasurement.self, from: Data($0))
    }
    return RateMeasurement(agreeing: all, hosts: hostMap)
  }

  /// Rank 0's model, the same bits on every rank.
  private func broadcast(_ model: MachineModel?) throws -> MachineModel? {
    let own = console.isSpeaker ? try model.map { Array(try JSONEncoder().encode($0)) } ?? [] : []
    let bytes = try world.broadcastBytes(own, from: Rank(0))
    return bytes.isEmpty ? nil : try JSONDecoder().decode(MachineModel.self, from: Data(bytes))
  }
}

extension MachineModel {
  /// The same machine where a thread computes so many operations a second in products of `RateProbe.presentRows` rows: a
  /// processor that others use too computes at another speed than when it was calibrated.
  func computing(_ flopsPerSecond: Double) -> MachineModel {
    var model = self
    model.matmul = matmul.scaled(by: flopsPerSecond / matmul.flopsPerSecond(rows: RateProbe.presentRows))
    return model
  }
}
