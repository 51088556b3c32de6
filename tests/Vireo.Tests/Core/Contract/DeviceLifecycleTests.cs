using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Core.Contract;

public sealed class DeviceLifecycleTests
{
    private const int OwnFeature = 5;

    [Fact]
    public void Offered_DeviceWhoseRingsCannotPack_LeavesOutWhatTheHomeAdds()
    {
        using PassiveDevice device = new(FeatureSet.Of(OwnFeature), CoreFeature.Rings.Without(CoreFeature.RingPacked));

        DeviceLifecycle lifecycle = new(
            device,
            FeatureSet.Of(CoreFeature.RingPacked, CoreFeature.Version1, CoreFeature.Suspend)
        );

        Assert.Equal(FeatureSet.Of(OwnFeature, CoreFeature.Version1, CoreFeature.Suspend), lifecycle.Offered);
    }
}
