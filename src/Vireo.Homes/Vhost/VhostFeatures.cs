using Vireo.Core.Spec;

namespace Vireo.Homes.Vhost;

/// <summary>Which of the features that a vhost device offers are whose.</summary>
internal static class VhostFeatures
{
    /// <summary>First bit behind the features of rings and transports (VIRTIO 1.4 §2.2).</summary>
    private const int FirstHigh = 50;

    /// <summary>
    /// Ring features that concern the rings alone, so that passing them on is enough. Not packed rings: those do not show
    /// where they stand, and where the kernel says it, the device may have gone on in between; nor
    /// bits of the legacy interface, which mean something else to the kernel.
    /// </summary>
    private static readonly FeatureSet Rings = FeatureSet.Of(
        CoreFeature.IndirectDescriptors,
        CoreFeature.EventIndex,
        CoreFeature.Version1,
        CoreFeature.InOrder,
        CoreFeature.OrderPlatform
    );

    /// <summary>Features as the kernel says them.</summary>
    public static FeatureSet Of(UInt128 features) => new((ulong)(features & ulong.MaxValue), (ulong)(features >> 64));

    /// <summary>Features as the kernel is told them.</summary>
    public static UInt128 ToKernel(FeatureSet features) => new(features.High, features.Low);

    /// <summary>What the rings can do.</summary>
    /// <param name="offered">All that the device offers.</param>
    public static FeatureSet OfRings(FeatureSet offered) => offered & Rings;

    /// <summary>What the device can do.</summary>
    /// <param name="offered">All that the device offers.</param>
    /// <remarks>What is between driver and transport is left out: the home speaks for itself there.</remarks>
    public static FeatureSet OfDevice(FeatureSet offered)
    {
        FeatureSet features = offered;
        for (int bit = CoreFeature.NotifyOnEmpty; bit < FirstHigh; bit++)
        {
            features = features.Without(bit);
        }

        return features;
    }
}
