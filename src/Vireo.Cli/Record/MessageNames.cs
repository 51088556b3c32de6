using System.Globalization;

namespace Vireo.Cli.Record;

/// <summary>The names of the messages in the vhost-user text, without VHOST_USER_ before them.</summary>
internal static class MessageNames
{
    /// <summary>By their numbers, from 1.</summary>
    private static readonly string[] FrontEnd =
    [
        "GET_FEATURES",
        "SET_FEATURES",
        "SET_OWNER",
        "RESET_OWNER",
        "SET_MEM_TABLE",
        "SET_LOG_BASE",
        "SET_LOG_FD",
        "SET_VRING_NUM",
        "SET_VRING_ADDR",
        "SET_VRING_BASE",
        "GET_VRING_BASE",
        "SET_VRING_KICK",
        "SET_VRING_CALL",
        "SET_VRING_ERR",
        "GET_PROTOCOL_FEATURES",
        "SET_PROTOCOL_FEATURES",
        "GET_QUEUE_NUM",
        "SET_VRING_ENABLE",
        "SEND_RARP",
        "NET_SET_MTU",
        "SET_BACKEND_REQ_FD",
        "IOTLB_MSG",
        "SET_VRING_ENDIAN",
        "GET_CONFIG",
        "SET_CONFIG",
        "CREATE_CRYPTO_SESSION",
        "CLOSE_CRYPTO_SESSION",
        "POSTCOPY_ADVISE",
        "POSTCOPY_LISTEN",
        "POSTCOPY_END",
        "GET_INFLIGHT_FD",
        "SET_INFLIGHT_FD",
        "GPU_SET_SOCKET",
        "RESET_DEVICE",
        "VRING_KICK",
        "GET_MAX_MEM_SLOTS",
        "ADD_MEM_REG",
        "REM_MEM_REG",
        "SET_STATUS",
        "GET_STATUS",
        "GET_SHARED_OBJECT",
        "SET_DEVICE_STATE_FD",
        "CHECK_DEVICE_STATE",
        "GET_SHMEM_CONFIG",
        "GET_VRING_BASE_SKIP_DRAIN",
    ];

    /// <summary>By their numbers, from 1.</summary>
    private static readonly string[] BackEnd =
    [
        "BACKEND_IOTLB_MSG",
        "BACKEND_CONFIG_CHANGE_MSG",
        "BACKEND_VRING_HOST_NOTIFIER_MSG",
        "BACKEND_VRING_CALL",
        "BACKEND_VRING_ERR",
        "BACKEND_SHARED_OBJECT_ADD",
        "BACKEND_SHARED_OBJECT_REMOVE",
        "BACKEND_SHARED_OBJECT_LOOKUP",
        "BACKEND_SHMEM_MAP",
        "BACKEND_SHMEM_UNMAP",
    ];

    /// <summary>The name of a message; its number where the text has no name.</summary>
    public static string Of(MessageDirection direction, uint request)
    {
        bool isMain = direction is MessageDirection.FrontEnd or MessageDirection.BackEnd;
        string[] names = isMain ? FrontEnd : BackEnd;
        return request >= 1 && request <= names.Length
            ? names[request - 1]
            : request.ToString(CultureInfo.InvariantCulture);
    }
}
