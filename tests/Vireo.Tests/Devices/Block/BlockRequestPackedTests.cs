using Vireo.Core.Spec;

namespace Vireo.Tests.Devices.Block;

/// <summary>Requests over a packed ring.</summary>
public sealed class BlockRequestPackedTests()
    : BlockRequestTests(FeatureSet.Of(CoreFeature.RingPacked, CoreFeature.EventIndex));
