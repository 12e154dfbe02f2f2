// The function app on Flex Consumption, with every setting that it reads.
param name string
param location string
param tags object
param identityId string
param identityClientId string
param blobUri string
param queueUri string
param tableUri string
param deploymentContainer string
param insightsConnectionString string

@description('Empty: the app is in no virtual network.')
param subnetId string

param maximumInstanceCount int
param instanceMemoryMB int
param dataverseUrl string
param fnoUrl string
param legalEntity string
param projects string
param settleSeconds int

@description('By template: schedule.')
param templates object

@description('False: no timer fires, whatever its schedule.')
param timersEnabled bool

@description('Empty: the managed identity is known to both services.')
param appRegistrationClientId string
param appRegistrationTenantId string

@description('Empty, or where the vault keeps the secret.')
param appRegistrationSecretUri string

@description('Empty, or where the vault keeps the key.')
param hashKeyUri string

// Where Flex Consumption unpacks the deployed package.
var packageRoot = '/home/site/wwwroot'

var serviceCredential = empty(appRegistrationClientId) ? {
  AZURE_CLIENT_ID: identityClientId
} : {
  AZURE_CLIENT_ID: appRegistrationClientId
  AZURE_CLIENT_SECRET: '@Microsoft.KeyVault(SecretUri=${appRegistrationSecretUri})'
  AZURE_TENANT_ID: appRegistrationTenantId
}

var schedules = toObject(
  items(templates),
  template => 'P2C_SCHEDULE_${toUpper(replace(template.key, '-', '_'))}',
  template => template.value.schedule
)

// The host starts no timer of which this is set. A schedule is needed nevertheless.
var disabledTimers = timersEnabled ? {} : toObject(
  items(templates),
  template => 'AzureWebJobs.enumerate_${replace(template.key, '-', '_')}.Disabled',
  template => 'true'
)

// p2c takes an empty setting for an absent one.
var settings = {
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  // The exporter would tell Microsoft about itself, and ask hosts of its own what to do.
  APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED: 'true'
  APPLICATIONINSIGHTS_SDKSTATS_DISABLED: 'true'
  APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL: 'true'
  AzureWebJobsStorage__blobServiceUri: blobUri
  AzureWebJobsStorage__clientId: identityClientId
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__queueServiceUri: queueUri
  AzureWebJobsStorage__tableServiceUri: tableUri
  P2C_CREDENTIAL: 'default'
  P2C_DATAVERSE_URL: dataverseUrl
  P2C_FNO_URL: fnoUrl
  P2C_HASH_KEY: empty(hashKeyUri) ? '' : '@Microsoft.KeyVault(SecretUri=${hashKeyUri})'
  P2C_LEGAL_ENTITY: legalEntity
  P2C_PROJECTS: empty(projects) ? '' : '${packageRoot}/${projects}'
  P2C_SETTLE_SECONDS: string(settleSeconds)
  P2C_TELEMETRY: 'azure'
  // The worker tells the host that p2c sends its log records itself, so that none is sent twice.
  PYTHON_ENABLE_OPENTELEMETRY: 'true'
  // As many as an instance takes messages at once, and a timer and a request besides.
  PYTHON_THREADPOOL_THREAD_COUNT: '16'
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  tags: union(tags, {
    'azd-service-name': 'functions'
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobUri}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
      }
    }
    siteConfig: {
      http20Enabled: true
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
    }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: union(settings, serviceCredential, schedules, disabledTimers)
  }

  resource noPublishingPassword 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: {
      allow: false
    }
  }
}

output url string = 'https://${app.properties.defaultHostName}'
