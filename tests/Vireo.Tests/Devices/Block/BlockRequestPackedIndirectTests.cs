using Vireo.Core.Spec;

namespace Vireo.Tests.Devices.Block;

/// <summary>Requests over a packed ring with indirect descriptors.</summary>
public sealed class BlockRequestPackedIndirectTests()
    : BlockRequestTests(FeatureSet.Of(CoreFeature.RingPacked, CoreFeature.IndirectDescriptors));
